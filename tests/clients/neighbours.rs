//! Compares the responses of ustreamer and framecast.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::matrix::Show;
use crate::support::{TIMEOUT, eventually};

/// Fields of ustreamer's `/state` that framecast lacks: its encoder, and request parameters without
/// a meaning here. `extra_headers` and `zero_data` are for ustreamer's own measurements, and
/// `dual_final_frames` compensates for dropping equal frames.
const NOT_OURS: [&str; 5] = [
    "result.encoder.quality",
    "result.encoder.type",
    "result.stream.clients_stat.*.dual_final_frames",
    "result.stream.clients_stat.*.extra_headers",
    "result.stream.clients_stat.*.zero_data",
];

/// Header fields of ustreamer's snapshot that describe its encoder and threads.
const NOT_OF_OURS: [&str; 8] = [
    "X-UStreamer-Dropped",
    "X-UStreamer-Encode-Begin-Timestamp",
    "X-UStreamer-Encode-End-Timestamp",
    "X-UStreamer-Expose-Begin-Timestamp",
    "X-UStreamer-Expose-Cmp-Timestamp",
    "X-UStreamer-Expose-End-Timestamp",
    "X-UStreamer-Grab-Timestamp",
    "X-UStreamer-Send-Timestamp",
];

#[test]
#[ignore = "needs ustreamer"]
fn state_has_ustreamers_fields_in_their_places() {
    let (theirs, ours) = (Ustreamer::start(), Show::open());
    let state = |address: SocketAddr| {
        let mut watching = ask(address, "/stream?key=word");
        watching.block();
        let mut state = Value::Null;
        eventually("it counts its viewer", || {
            let mut reply = ask(address, "/state");
            reply.block();
            let mut body = Vec::new();
            reply.0.read_to_end(&mut body).unwrap();
            state = serde_json::from_slice(&body).expect("/state is JSON");
            state["result"]["stream"]["clients"] == 1
        });
        kinds(&state)
    };
    let (theirs, ours) = (state(theirs.address), state(ours.server.address));
    let missing: Vec<_> = theirs
        .keys()
        .filter(|path| !ours.contains_key(*path))
        .collect();
    for (path, kind) in &theirs {
        println!(
            "{path:50} {kind:10} {}",
            ours.get(path).map_or("-", |ours| ours)
        );
    }
    assert_eq!(missing, NOT_OURS);
    let unlike: Vec<_> = theirs
        .iter()
        .filter(|(path, kind)| ours.get(*path).is_some_and(|ours| ours != *kind))
        .collect();
    assert!(unlike.is_empty(), "of another type: {unlike:?}");
}

#[test]
#[ignore = "needs ustreamer"]
fn a_snapshot_has_ustreamers_fields() {
    let (theirs, ours) = (Ustreamer::start(), Show::open());
    let head = |address: SocketAddr| fields(&ask(address, "/snapshot").block());
    let (theirs, ours) = (head(theirs.address), head(ours.server.address));
    print_side_by_side(&theirs, &ours);
    let missing: Vec<_> = theirs
        .keys()
        .filter(|name| !ours.contains_key(*name))
        .collect();
    assert_eq!(missing, NOT_OF_OURS);
    for name in ["Content-Type", "Expires", "Pragma"] {
        assert_eq!(theirs[name], ours[name]);
    }
    // Seconds of the wall clock, with six places.
    let shape = |time: &str| {
        time.chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect::<String>()
    };
    assert_eq!(shape(&theirs["X-Timestamp"]), shape(&ours["X-Timestamp"]));
}

#[test]
#[ignore = "needs ustreamer"]
fn a_stream_is_framed_like_ustreamers() {
    let (theirs, ours) = (Ustreamer::start(), Show::open());
    for target in ["/stream", "/?action=stream", "/stream?advance_headers=1"] {
        let look = |address: SocketAddr| {
            let mut stream = ask(address, target);
            let head = fields(&stream.block());
            let boundary = head["Content-Type"]
                .split_once("boundary=")
                .expect("a boundary")
                .1
                .to_owned();
            let delimiter = stream.line();
            assert_eq!(delimiter, format!("--{boundary}\r\n"));
            (head, fields(&stream.block()))
        };
        let ((their_head, their_part), (our_head, our_part)) =
            (look(theirs.address), look(ours.server.address));
        println!("{target}");
        print_side_by_side(&their_head, &our_head);
        print_side_by_side(&their_part, &our_part);
        let missing = |theirs: &Fields, ours: &Fields| -> BTreeSet<String> {
            theirs
                .keys()
                .filter(|name| !ours.contains_key(*name))
                .cloned()
                .collect()
        };
        // ustreamer's cookie identifies a viewer; framecast uses the parameter `key`.
        assert_eq!(
            missing(&their_head, &our_head),
            BTreeSet::from(["Set-Cookie".to_owned()])
        );
        let kind = |head: &Fields| head["Content-Type"].split(';').next().map(str::to_owned);
        assert_eq!(kind(&their_head), kind(&our_head));
        // With `framing=advance` the header is sent before the frame is captured.
        let unknown = target.contains("advance").then(|| "X-Timestamp".to_owned());
        assert_eq!(
            missing(&their_part, &our_part),
            unknown.into_iter().collect()
        );
        assert_eq!(their_part["Content-Type"], our_part["Content-Type"]);
    }
}

/// A `ustreamer` without a camera, which sends a placeholder.
struct Ustreamer {
    child: Child,
    address: SocketAddr,
}

impl Ustreamer {
    fn start() -> Self {
        // ustreamer does not print its port, so the test chooses a free one.
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port");
        let mut command = Command::new("ustreamer");
        command.args([
            "--device",
            "/dev/no-such-camera",
            "--host",
            "127.0.0.1",
            "--port",
            &address.port().to_string(),
        ]);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let started = Self {
            child: child.expect("ustreamer is installed"),
            address,
        };
        eventually("ustreamer listens", || TcpStream::connect(address).is_ok());
        started
    }
}

impl Drop for Ustreamer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A response.
struct Answer(BufReader<TcpStream>);

fn ask(address: SocketAddr, target: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("it accepts");
    stream
        .set_read_timeout(Some(TIMEOUT))
        .expect("a timeout can be set");
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n\r\n"
    )
    .expect("it reads");
    Answer(BufReader::new(stream))
}

impl Answer {
    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(
            self.0.read_line(&mut line).expect("a line of text"),
            0,
            "it has ended"
        );
        line
    }

    fn block(&mut self) -> String {
        let mut block = String::new();
        while !block.ends_with("\r\n\r\n") {
            block += &self.line();
        }
        block
    }
}

type Fields = BTreeMap<String, String>;

fn fields(block: &str) -> Fields {
    let pairs = block.lines().filter_map(|line| line.split_once(": "));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn print_side_by_side(theirs: &Fields, ours: &Fields) {
    for name in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
        let value = |fields: &Fields| fields.get(name).map_or("-".to_owned(), String::clone);
        println!("  {name:32} {:60} {}", value(theirs), value(ours));
    }
}

/// Returns the path of each value with its JSON type. `*` replaces the number of a viewer.
fn kinds(value: &Value) -> BTreeMap<String, &'static str> {
    fn walk(path: &str, value: &Value, found: &mut BTreeMap<String, &'static str>) {
        if let Value::Object(members) = value {
            for (name, member) in members {
                let name = if path.ends_with("clients_stat") {
                    "*"
                } else {
                    name
                };
                let path = if path.is_empty() {
                    name.to_owned()
                } else {
                    format!("{path}.{name}")
                };
                walk(&path, member, found);
            }
        } else {
            let kind = match value {
                Value::Bool(_) => "boolean",
                Value::Number(number) if number.is_u64() => "integer",
                Value::Number(_) => "number",
                Value::String(_) => "string",
                _ => "other",
            };
            found.insert(path.to_owned(), kind);
        }
    }
    let mut found = BTreeMap::new();
    walk("", value, &mut found);
    found
}
