//! Everything that is served, whatever cameras state and whatever is asked.
//!
//! The input fills a hub with frames of arbitrary times, numbers and sizes, and the figures with
//! arbitrary numbers; the rest of it is a request. What the site answers must be well formed to the
//! last byte.

mod checks;
mod world;

use bytes::Bytes;
use framecast::hub::Call;
use framecast::hub::{Answer, Key};
use framecast::site::auth::{Access, Decision, Policy, Reason, Scope};
use framecast::site::origins::Origins;
use framecast::stream::Peer;
use framecast::wire::http::Request;

pub use world::{Figures, FrameRecord, World};

/// Addresses that the input chooses from; its bytes behind that are the query.
pub const PATHS: [&str; 16] = [
    "/table",
    "/events",
    "/state",
    "/metrics",
    "/snapshot",
    "/stream",
    "/clip.avi",
    "/clip.mjpeg",
    "/healthz",
    "/",
    "/loop",
    "/viewer.js",
    "/video_feed",
    "/snapshot.jpg",
    "/nothing",
    "/table.css",
];

/// Chunks that are made of one body: those of an endless one have no end.
const CHUNKS_MAX: usize = 6;

pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let choice = input.byte();
    let figures = Figures {
        seed: input.number(),
        text: input.text(),
    };
    let facts: Vec<FrameRecord> = (0..input.byte() & 15).map(|_| input.fact()).collect();
    let world = World::new(&facts, figures, choice);
    world.check_frames();
    let head = match input.byte() {
        path @ 0..0xf0 => {
            let query = [PATHS[usize::from(path & 15)].as_bytes(), b"?", input.0].concat();
            [b"GET ", query.as_slice(), b" HTTP/1.1\r\nHost: cam\r\n\r\n"].concat()
        }
        _ => input.0.to_vec(),
    };
    if let Ok(Some((request, _))) = Request::parse(&head) {
        ask(&world, request, decision(choice));
    }
}

/// Asks for `target` with valid credentials, and checks the answer.
#[allow(
    dead_code,
    reason = "the property `rendered` asks by addresses, the fuzzer by bytes"
)]
pub fn get(world: &World, target: &str) {
    let head = format!("GET {target} HTTP/1.1\r\nHost: cam\r\nLast-Event-ID: 0\r\n\r\n");
    let (request, _) = Request::parse(head.as_bytes())
        .expect("a sound request")
        .expect("a whole one");
    ask(world, request, Decision::Pass(Access::default()));
}

fn decision(choice: u8) -> Decision {
    match choice >> 3 {
        0 => Decision::Refuse(Reason::TooManyFailures {
            retry_after_seconds: u32::MAX,
        }),
        1 => Decision::Refuse(Reason::Credentials { given: true }),
        2 => Decision::Wait { ticket: u64::MAX },
        3 => Decision::Pass(Access {
            scope: Scope::Camera(1),
            ..Access::default()
        }),
        _ => Decision::Pass(Access::default()),
    }
}

fn ask(world: &World, request: Request, decision: Decision) {
    let origins = match world.choice & 3 {
        0 => Origins::Any,
        1 => Origins::These(vec![
            "http://a.example".to_owned(),
            "https://b.example".to_owned(),
        ]),
        _ => Origins::None,
    };
    let policy = Policy {
        origins,
        ..Policy::default()
    };
    let path = request.path.clone();
    let key = Key { slot: 0, number: 0 };
    let (waited, asked_at) = (world.choice & 4 > 0, world.now);
    let call = Call {
        key,
        peer: Peer::Local,
        request: Box::new(request),
        waited,
        asked_at,
    };
    let snapshot = |_: Option<&[&str]>| {
        assert!(
            ["/state", "/metrics"].contains(&path.as_str()),
            "{path} takes a snapshot"
        );
        world.snapshot()
    };
    match framecast::site::answer(&call, decision, &policy, &world.view(), snapshot) {
        Answer::Respond(response) => {
            let length = response.body.as_ref().map(Bytes::len);
            let head = checks::head(&response.head.encode_finite(length, true));
            let body = response.body.unwrap_or_default();
            checks::body(&path, &head, &body);
        }
        Answer::Preformed(bytes) => drop(checks::head(&bytes)),
        Answer::Subscribe(subscription) => checks::stream(world, &subscription),
        Answer::Stream(head, mut body) => {
            let (kind, length) = (body.kind(), body.length());
            let head = match length {
                Some(length) => head.encode_finite(Some(length as usize), true),
                None => head.encode_streamed(true, true),
            };
            checks::head(&head);
            let made = checks::produce(world, body.as_mut(), CHUNKS_MAX);
            checks::made(kind, length, &made);
        }
        Answer::Wait(_) => {}
    }
}

/// An input, taken off piece by piece; where it has ended, all is zero.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        u64::from_be_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// A number of as many bytes as the first of them chooses: small ones are as likely as large
    /// ones.
    fn decimal(&mut self) -> String {
        match self.byte() {
            0 => String::new(),
            1 => format!("{}.{}", self.number(), self.byte()),
            2 => format!(
                "{}.{}",
                946_684_800 + self.number() % 252_455_616_000,
                self.byte()
            ),
            3 => format!(
                "{}",
                1_795_783_697_000_u64.wrapping_add(self.number() & 0xffff_ffff)
            ),
            4 => String::from_utf8_lossy(&[self.byte(), self.byte(), self.byte()]).into_owned(),
            bytes => (self.number() >> (8 * (bytes & 7))).to_string(),
        }
    }

    fn fact(&mut self) -> FrameRecord {
        let choice = self.byte();
        FrameRecord {
            camera: usize::from(choice & 1),
            is_live: choice & 6 > 0,
            time: self.decimal(),
            sequence: self.decimal(),
            width: u16::from_be_bytes([self.byte(), self.byte()]),
            height: u16::from_be_bytes([self.byte(), self.byte()]),
            pause_ms: u64::from(self.byte()) << (choice >> 5),
            bytes: usize::from(self.byte()),
        }
    }

    fn text(&mut self) -> String {
        let length = usize::from(self.byte() & 31).min(self.0.len());
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }
}
