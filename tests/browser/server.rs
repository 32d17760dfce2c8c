//! The server under test, the pictures it is given, and a viewer that is no browser.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jpeg_encoder::{ColorType, Encoder};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Long enough for a busy machine, short enough to wait for when something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// `framecast serve`, killed when dropped.
pub(crate) struct Server {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts the program on `listen` with one camera, and returns once it listens.
    pub(crate) fn start(listen: &str, source: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_framecast"))
            .args(["serve", "--listen", listen, "--camera", &format!("camera={source}")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it says where it listens");
        let address = line.trim().strip_prefix("listening on http://").and_then(|rest| rest.strip_suffix('/'));
        let address =
            address.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("no address: {line:?}"));
        Self { child, _stdout: stdout, address }
    }

    /// The address of the page.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// `/state`.
    pub(crate) fn state(&self) -> Value {
        let mut answer = ureq::get(format!("{}state", self.url())).call().expect("the server answers");
        answer.body_mut().read_json().expect("/state is JSON")
    }

    /// How many watch the camera.
    pub(crate) fn viewers(&self) -> u64 {
        self.state()["cameras"][0]["viewers"].as_u64().expect("a number of viewers")
    }

    /// Asks the program to end, and waits until it has.
    pub(crate) fn stop(mut self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("the program runs");
        self.child.wait().expect("the program ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pictures of one colour each, in a directory that goes when this is dropped.
pub(crate) struct Pictures {
    directory: TempDir,
    jpegs: Vec<Vec<u8>>,
}

impl Pictures {
    /// The colours in the order they are shown; each channel is one bit (4 red, 2 green, 1 blue), so that no encoder
    /// and no screen can blur two of them.
    pub(crate) const COLOURS: [u8; 6] = [4, 2, 1, 6, 5, 3];

    /// Writes the pictures.
    pub(crate) fn write() -> Self {
        let directory = tempfile::tempdir().expect("a directory for the pictures");
        let jpegs: Vec<_> = Self::COLOURS.iter().map(|&colour| picture(colour)).collect();
        for (index, jpeg) in jpegs.iter().enumerate() {
            std::fs::write(directory.path().join(format!("{index}.jpg")), jpeg).expect("room for a picture");
        }
        Self { directory, jpegs }
    }

    /// The source that shows picture `floor(unix_time * fps) mod 6`, each from its tick on.
    pub(crate) fn source(&self, fps: u32) -> String {
        let directory: &Path = self.directory.path();
        format!("stills:{}?fps={fps}", directory.display())
    }

    /// Which picture this is.
    pub(crate) fn index_of(&self, jpeg: &[u8]) -> usize {
        self.jpegs.iter().position(|known| known == jpeg).expect("the server sends the pictures as they are")
    }
}

fn picture(colour: u8) -> Vec<u8> {
    const SIDE: u16 = 160;
    let pixel = [4, 2, 1].map(|bit| if colour & bit != 0 { 255 } else { 0 });
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, 90)
        .encode(&pixel.repeat(usize::from(SIDE) * usize::from(SIDE)), SIDE, SIDE, ColorType::Rgb)
        .expect("a picture of one colour can be encoded");
    jpeg
}

/// A viewer on a bare socket, which trusts `Content-Length` as players do.
pub(crate) struct Viewer(BufReader<TcpStream>);

impl Viewer {
    /// Asks for the stream.
    pub(crate) fn connect(server: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(server).expect("the server accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        write!(stream, "GET /video_feed HTTP/1.1\r\nHost: {server}\r\n\r\n").expect("the server reads");
        let mut viewer = Self(BufReader::new(stream));
        assert!(viewer.block().starts_with("HTTP/1.1 200 "), "the server refuses the stream");
        viewer
    }

    /// The next frame, once all of it is here.
    pub(crate) fn frame(&mut self) -> Vec<u8> {
        let header = self.block();
        let length = header.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length = length.and_then(|length| length.parse().ok()).unwrap_or_else(|| panic!("no length: {header:?}"));
        let mut jpeg = vec![0; length];
        self.0.read_exact(&mut jpeg).expect("a whole frame");
        let mut end = [0; 2];
        self.0.read_exact(&mut end).expect("the end of the part");
        jpeg
    }

    fn block(&mut self) -> String {
        let mut block = String::new();
        while !block.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut block).expect("a line"), 0, "the stream ended: {block:?}");
        }
        block
    }
}

/// Wall time, in milliseconds since the Unix epoch: the page's `Date.now()` on the same machine.
pub(crate) fn unix_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs_f64() * 1000.0
}

/// Asks again until the answer is true, and says how long that took.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not after {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    begun.elapsed()
}
