//! The program under test, as the server starts it.

use std::io::Read;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;

use crate::support::BOUNDARY;
use bytes::BytesMut;
use framecast::wire::jpeg::FRAME_BYTES_MAX;
use framecast::wire::multipart::PartDecoder;
use framecast::wire::part::Part;

use crate::support::TIMEOUT;

/// `framecast capture URL`, killed when dropped.
pub struct Driver {
    child: Child,
    frames: Receiver<Part>,
}

impl Driver {
    pub fn start(url: impl AsRef<str>) -> Self {
        Self::start_logging(url, "info")
    }

    /// Starts it with a log of `level`.
    pub fn start_logging(url: impl AsRef<str>, level: &str) -> Self {
        Self::start_in(url, ("RUST_LOG", level.as_ref()))
    }

    /// Starts it with a variable of its environment set.
    pub fn start_in(url: impl AsRef<str>, (name, value): (&str, &Path)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
        command
            .args(["capture", url.as_ref()])
            .env("RUST_LOG", "info")
            .env(name, value);
        let piped = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the program starts");
        let output = child.stdout.take().expect("its output is piped");
        let (sender, frames) = channel();
        thread::spawn(move || read_frames(output, &sender));
        Self { child, frames }
    }

    /// The next frame.
    pub fn frame(&mut self) -> Part {
        match self.frames.recv_timeout(TIMEOUT) {
            Ok(part) => part,
            Err(RecvTimeoutError::Timeout) => panic!("no frame after {TIMEOUT:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("it has ended: {}", self.words()),
        }
    }

    /// What it says when it fails, which must be the next thing it does.
    pub fn failure(self) -> String {
        let words = self.all_words();
        let last = words.lines().last().unwrap_or_default();
        last.strip_prefix("framecast: ")
            .unwrap_or_else(|| panic!("no sentence: {words:?}"))
            .to_owned()
    }

    /// All that it has said when it has failed, which must be the next thing it does.
    pub fn all_words(mut self) -> String {
        match self.frames.recv_timeout(TIMEOUT) {
            Ok(_) => panic!("another frame"),
            Err(RecvTimeoutError::Timeout) => panic!("it goes on after {TIMEOUT:?}"),
            Err(RecvTimeoutError::Disconnected) => {}
        }
        let words = self.words();
        assert_eq!(self.child.wait().unwrap().code(), Some(1), "{words}");
        words
    }

    /// Whether a frame comes, or else all that it says until it ends by itself.
    pub fn frame_or_words(mut self) -> (bool, String) {
        match self.frames.recv_timeout(TIMEOUT) {
            Ok(_) => (true, self.stop()),
            Err(RecvTimeoutError::Timeout) => panic!("no frame after {TIMEOUT:?}"),
            Err(RecvTimeoutError::Disconnected) => {
                let words = self.words();
                assert_eq!(self.child.wait().unwrap().code(), Some(1), "{words}");
                (false, words)
            }
        }
    }

    /// Kills it, and returns all that it has said up to then.
    pub fn stop(mut self) -> String {
        self.child.kill().expect("it runs");
        self.words()
    }

    fn words(&mut self) -> String {
        let mut words = String::new();
        let errors = self.child.stderr.as_mut().expect("its words are piped");
        errors
            .read_to_string(&mut words)
            .expect("its words are text");
        words
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_frames(mut output: ChildStdout, frames: &Sender<Part>) {
    let mut decoder = PartDecoder::new(Some(BOUNDARY), FRAME_BYTES_MAX);
    let mut received = BytesMut::new();
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = output.read(&mut piece) {
        received.extend_from_slice(&piece[..length]);
        loop {
            match decoder.decode(&mut received) {
                Ok(Some(part)) => drop(frames.send(part)),
                Ok(None) => break,
                Err(rejected) => assert!(rejected.by_driver, "it writes whole frames: {rejected}"),
            }
        }
    }
    assert_eq!(
        decoder.tally().discarded_bytes,
        0,
        "it writes parts and nothing else"
    );
}
