//! The program under test, as a user starts it, and a bare socket to talk to it.
#![allow(dead_code, reason = "each test program uses its own part of this")]

pub mod certificate;
pub mod restarts;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Long enough for a busy machine, short enough to wait for when something is wrong.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// `framecast`, killed when dropped.
pub struct Program {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// Where it listens: the first address of a network that it printed.
    pub address: SocketAddr,
}

impl Program {
    /// Starts `framecast serve` on a free port and returns once it listens.
    pub fn serve(options: &[&str]) -> Self {
        Self::serve_on("127.0.0.1:0", options)
    }

    /// The same on a given address.
    pub fn serve_on(listen: &str, options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
        command.args(["serve", "--listen", listen]).args(options);
        Self::start(command)
    }

    /// Starts a command that becomes `framecast serve` on a port of the loopback interface.
    pub fn start(mut command: Command) -> Self {
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .stdin(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut stderr = child.stderr.take();
        let mut line = String::new();
        stdout
            .read_line(&mut line)
            .expect("it says where it listens");
        let address = line
            .trim()
            .strip_prefix("listening on http://")
            .and_then(|rest| rest.strip_suffix('/'));
        let address = address.and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| {
            let mut words = String::new();
            let _ = stderr
                .as_mut()
                .map(|stderr| stderr.read_to_string(&mut words));
            panic!("no address: {line:?} {words}")
        });
        Self {
            child,
            stdout,
            stderr,
            address,
        }
    }

    /// The next line of its standard output.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout
            .read_line(&mut line)
            .expect("its output can be read");
        line
    }

    /// The address of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// `/state`.
    pub fn state(&self) -> Value {
        let reply = self.ask("GET /state HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n\r\n");
        serde_json::from_slice(&reply.body).expect("/state is JSON")
    }

    /// A connection that has sent `bytes`.
    pub fn say(&self, bytes: impl AsRef<[u8]>) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("the server accepts");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout can be set");
        stream.write_all(bytes.as_ref()).expect("the server reads");
        stream
    }

    /// The whole reply to `request`, which must say `Connection: close` or be refused.
    pub fn ask(&self, request: &str) -> Reply {
        let mut bytes = Vec::new();
        self.say(request)
            .read_to_end(&mut bytes)
            .expect("a whole reply");
        Reply::parse(bytes)
    }

    /// The whole reply to `GET target`.
    pub fn get(&self, target: &str) -> Reply {
        self.ask(&format!(
            "GET {target} HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n\r\n"
        ))
    }

    /// A viewer of the stream at `target`, from the first byte of its body on.
    pub fn watch(&self, target: &str) -> Viewer {
        let stream = self.say(format!("GET {target} HTTP/1.1\r\nHost: cam\r\n\r\n"));
        let mut viewer = Viewer {
            reader: BufReader::new(stream),
            head: String::new(),
        };
        viewer.head = viewer.block();
        assert!(
            viewer.head.starts_with("HTTP/1.1 200 OK\r\n"),
            "the stream is refused: {}",
            viewer.head
        );
        viewer
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the program runs");
    }

    /// Waits for the program to end; says how, and what it logged.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let mut words = String::new();
        if let Some(mut stderr) = self.stderr.take() {
            stderr
                .read_to_string(&mut words)
                .expect("its words can be read");
        }
        (self.child.wait().expect("the program ends"), words)
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .expect("the program runs")
            .count()
    }

    /// The processes it has started.
    pub fn children(&self) -> Vec<String> {
        let tasks = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = std::fs::read_to_string(tasks).unwrap_or_default();
        children.split_whitespace().map(str::to_owned).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A response that has an end.
#[derive(Debug)]
pub struct Reply {
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    /// What came up to the end of the connection.
    pub fn parse(bytes: Vec<u8>) -> Self {
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("the head has an end")
            + 4;
        let head = String::from_utf8(bytes[..end].to_vec()).expect("the head is text");
        Self {
            head,
            body: bytes[end..].to_vec(),
        }
    }

    pub fn status(&self) -> u16 {
        self.head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect("a status")
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }
}

/// A JPEG that is larger than so many MiB, by application segments before its picture.
pub fn large_jpeg(mebibytes: usize) -> Vec<u8> {
    let segment = [[0xff, 0xef, 0xff, 0xff].as_slice(), &[0; 0xffff - 2]].concat();
    let [first, ..] = framecast::drivers::numbers::PICTURES;
    [&first[..2], &segment.repeat(mebibytes * 16), &first[2..]].concat()
}

/// The value of a field in a block of them.
pub fn field<'a>(block: &'a str, name: &str) -> Option<&'a str> {
    block
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A viewer that trusts `Content-Length`, as players do.
pub struct Viewer {
    pub reader: BufReader<TcpStream>,
    pub head: String,
}

/// A part as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub header: String,
    pub jpeg: Vec<u8>,
    pub sequence: u64,
}

impl Viewer {
    /// The next part, from the line of its boundary to its last byte.
    pub fn part(&mut self) -> Part {
        let header = self.block();
        let length = field(&header, "Content-Length").and_then(|length| length.parse().ok());
        let mut jpeg = vec![0; length.unwrap_or_else(|| panic!("no length: {header:?}"))];
        self.reader.read_exact(&mut jpeg).expect("a whole frame");
        let mut end = [0; 2];
        self.reader
            .read_exact(&mut end)
            .expect("the end of the part");
        assert_eq!(&end, b"\r\n");
        let sequence =
            field(&header, "X-Frame-Sequence").and_then(|sequence| sequence.parse().ok());
        Part {
            sequence: sequence.expect("a sequence"),
            header,
            jpeg,
        }
    }

    /// Lines up to the empty one.
    pub fn block(&mut self) -> String {
        let mut block = String::new();
        while !block.ends_with("\r\n\r\n") {
            let count = self.reader.read_line(&mut block).expect("a line");
            assert_ne!(count, 0, "the stream ended: {block:?}");
        }
        block
    }

    /// Everything up to the end of the stream.
    pub fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes).expect("an orderly end");
        bytes
    }
}

/// Asks again until the answer is true, and says how long that took.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not after {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    begun.elapsed()
}
