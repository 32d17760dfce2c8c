//! A hub with an audience in memory, whose every member takes all it is given and looks where it
//! lies.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use framecast::hub::Call;
use framecast::hub::{Answer, Hub, Limits, Readiness, Reply, Subscription, Tick, Transport};
use framecast::stream::Captured;
use framecast::stream::{Peer, RateLimit};
use framecast::wire::facts::WallTime;
use framecast::wire::jpeg::Picture;
use framecast::wire::multipart::{Framing, preamble};

const BOUNDARY: &str = "frame";
const CAMERA: usize = 0;
const PICTURE: Picture = Picture {
    width: 640,
    height: 480,
    huffman_tables: true,
};

/// What all viewers were given, told apart by where it lies.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    /// The addresses of the newest frame's one allocation.
    frame: RefCell<Range<usize>>,
    /// Bytes handed over right out of that allocation.
    pub(crate) shared_bytes: Cell<u64>,
    /// Bytes handed over from anywhere else: copies.
    pub(crate) copied_bytes: Cell<u64>,
    pub(crate) writes: Cell<u64>,
}

/// One viewer: it says what it wants, and then takes everything.
#[derive(Debug)]
pub(crate) struct Taker {
    request: &'static [u8],
    witness: Rc<Witness>,
}

/// A hub, everybody who watches it, and its clock.
pub(crate) struct Audience {
    hub: Hub<Taker>,
    pub(crate) witness: Rc<Witness>,
    now: Instant,
    jpeg: Vec<u8>,
}

impl Audience {
    /// A hub whose only camera has `viewers` viewers and gives pictures of `bytes` bytes.
    pub(crate) fn gather(viewers: usize, bytes: usize) -> Self {
        let hub = Hub::new(1, BOUNDARY, Limits::default());
        let mut audience = Self {
            hub,
            witness: Rc::default(),
            now: Instant::now(),
            jpeg: vec![0xd8; bytes],
        };
        for _ in 0..viewers {
            audience.join();
        }
        audience
    }

    fn join(&mut self) {
        let taker = Taker {
            request: b"GET /stream HTTP/1.0\r\n\r\n",
            witness: self.witness.clone(),
        };
        let key = self.hub.admit(Peer::Local, self.now, |_| Ok(taker));
        let Ok(key) = key else { return };
        self.hub.ready(
            key,
            Readiness {
                readable: true,
                ..Default::default()
            },
        );
        self.turn();
    }

    /// One turn, at which every viewer watches.
    pub(crate) fn turn(&mut self) {
        let watch = |call: &Call, _: &Hub<Taker>| {
            let answer = Answer::Subscribe(Subscription {
                camera: CAMERA,
                framing: Framing::Length,
                delay: Duration::ZERO,
                rate_limit: RateLimit::default(),
                label: String::new(),
                head: preamble(BOUNDARY, Framing::Length),
            });
            Reply::to(call.peer, answer)
        };
        self.hub.turn(Tick::at(self.now), Instant::now, watch);
    }

    /// Lets `time` pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Publishes a frame: one copy of the picture, and a reference for each viewer.
    pub(crate) fn publish(&mut self) {
        let captured_wall = WallTime::nearest(Duration::from_secs(1_700_000_000));
        let shot = Captured {
            jpeg: &self.jpeg,
            picture: PICTURE,
            captured_wall,
            age: Duration::ZERO,
            sequence: None,
        };
        self.hub.publish(CAMERA, shot, self.now);
        if let Some(frame) = &self.hub.live().channels[CAMERA].live {
            let addresses = frame.allocation().as_ptr_range();
            self.witness
                .frame
                .replace(addresses.start as usize..addresses.end as usize);
        }
    }
}

impl Read for Taker {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.request.read(buffer)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

impl Write for Taker {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let frame = self.witness.frame.borrow();
        let addresses = bytes.as_ptr_range();
        let is_shared =
            frame.start <= addresses.start as usize && addresses.end as usize <= frame.end;
        let tally = if is_shared {
            &self.witness.shared_bytes
        } else {
            &self.witness.copied_bytes
        };
        tally.set(tally.get() + bytes.len() as u64);
        self.witness.writes.set(self.witness.writes.get() + 1);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Taker {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}
