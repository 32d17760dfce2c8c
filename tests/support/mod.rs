//! Starts the program under test as a user does, and connects to it with plain sockets.
#![allow(dead_code, reason = "each test program uses its own part of this")]

pub mod certificate;
pub mod restarts;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The deadline of every wait: long enough for a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// Returns the time of the day, since the Unix epoch.
pub fn wall_time() -> Duration {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("the clock is past 1970")
}

/// The boundary between the parts that `framecast capture` writes.
pub const BOUNDARY: &str = "frame";

/// The pictures of the emulated camera.
pub const PICTURES: [&[u8]; 3] = [
    include_bytes!("../../frames/1.jpg"),
    include_bytes!("../../frames/2.jpg"),
    include_bytes!("../../frames/3.jpg"),
];

/// A running `framecast`, killed when dropped.
pub struct Program {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// The first TCP address that it has printed.
    pub address: SocketAddr,
}

impl Program {
    /// Starts `framecast serve` on a free port, and returns once it listens.
    pub fn serve(options: &[&str]) -> Self {
        Self::serve_on("127.0.0.1:0", options)
    }

    /// Starts `framecast serve` on the given address.
    pub fn serve_on(listen: &str, options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
        command.args(["serve", "--listen", listen]).args(options);
        Self::start(command)
    }

    /// Starts a command that runs `framecast serve` with a TCP address.
    pub fn start(mut command: Command) -> Self {
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .stdin(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut stderr = child.stderr.take();
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it prints its address");
        let address = line
            .trim()
            .strip_prefix("listening on http://")
            .and_then(|rest| rest.strip_suffix('/'));
        let address = address.and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| {
            let mut log = String::new();
            let _ = stderr
                .as_mut()
                .map(|stderr| stderr.read_to_string(&mut log));
            panic!("no address: {line:?} {log}")
        });
        Self {
            child,
            stdout,
            stderr,
            address,
        }
    }

    /// Reads the next line of stdout.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout
            .read_line(&mut line)
            .expect("stdout can be read");
        line
    }

    /// Returns the URL of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Returns `/state`.
    pub fn state(&self) -> Value {
        let reply = self.request("GET /state HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n\r\n");
        serde_json::from_slice(&reply.body).expect("/state is JSON")
    }

    /// Connects and sends `bytes`.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("the server accepts");
        stream
            .set_read_timeout(Some(TIMEOUT))
            .expect("a timeout can be set");
        stream.write_all(bytes.as_ref()).expect("the server reads");
        stream
    }

    /// Sends `request`, and returns the whole reply. The server must close the connection afterwards.
    pub fn request(&self, request: &str) -> Reply {
        let mut bytes = Vec::new();
        self.send(request)
            .read_to_end(&mut bytes)
            .expect("a whole reply");
        Reply::parse(bytes)
    }

    /// Requests `target` with GET.
    pub fn get(&self, target: &str) -> Reply {
        self.request(&format!(
            "GET {target} HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n\r\n"
        ))
    }

    /// Requests the stream `target`, and returns a viewer at the first byte of the body.
    pub fn watch(&self, target: &str) -> Viewer {
        let stream = self.send(format!("GET {target} HTTP/1.1\r\nHost: cam\r\n\r\n"));
        let mut viewer = Viewer {
            reader: BufReader::new(stream),
            head: String::new(),
        };
        viewer.head = viewer.block();
        assert!(
            viewer.head.starts_with("HTTP/1.1 200 OK\r\n"),
            "stream refused: {}",
            viewer.head
        );
        viewer
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the program runs");
    }

    /// Waits for the exit of the program. Returns its status and its log.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let mut log = String::new();
        if let Some(mut stderr) = self.stderr.take() {
            stderr.read_to_string(&mut log).expect("stderr can be read");
        }
        (self.child.wait().expect("the program exits"), log)
    }

    /// Counts its open descriptors.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .expect("the program runs")
            .count()
    }

    /// Returns the ids of its child processes.
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

/// A response.
#[derive(Debug)]
pub struct Reply {
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    /// Splits a response into head and body.
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
            .expect("a status line")
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }
}

/// Returns a JPEG larger than `mebibytes` MiB: application segments, then a picture.
pub fn large_jpeg(mebibytes: usize) -> Vec<u8> {
    let segment = [[0xff, 0xef, 0xff, 0xff].as_slice(), &[0; 0xffff - 2]].concat();
    let [first, ..] = PICTURES;
    [&first[..2], &segment.repeat(mebibytes * 16), &first[2..]].concat()
}

/// Returns the value of a field in a header block.
pub fn field<'a>(block: &'a str, name: &str) -> Option<&'a str> {
    block
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A viewer of a stream, which reads `Content-Length` bytes of each part as players do.
pub struct Viewer {
    pub reader: BufReader<TcpStream>,
    pub head: String,
}

/// A received part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub header: String,
    pub jpeg: Vec<u8>,
    pub sequence: u64,
}

impl Viewer {
    /// Reads the next part, from its boundary line to its last byte.
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

    /// Reads lines up to an empty one.
    pub fn block(&mut self) -> String {
        let mut block = String::new();
        while !block.ends_with("\r\n\r\n") {
            let count = self.reader.read_line(&mut block).expect("a line");
            assert_ne!(count, 0, "the stream ended: {block:?}");
        }
        block
    }

    /// Reads all bytes up to the end of the stream.
    pub fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes).expect("an orderly end");
        bytes
    }
}

/// Polls `holds` until it returns true, and returns how long that took. Panics with `what` after
/// [`TIMEOUT`].
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < TIMEOUT, "not after {TIMEOUT:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    begun.elapsed()
}
