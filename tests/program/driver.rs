//! A driver process, started as the server starts it.

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

/// A running `framecast capture URL`, killed when dropped.
pub struct Driver {
    child: Child,
    frames: Receiver<Part>,
}

impl Driver {
    pub fn start(url: impl AsRef<str>) -> Self {
        Self::start_logging(url, "info")
    }

    /// Starts it with the log level `level`.
    pub fn start_logging(url: impl AsRef<str>, level: &str) -> Self {
        Self::start_in(url, ("RUST_LOG", level.as_ref()))
    }

    /// Starts it with an environment variable.
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

    /// Reads the next frame.
    pub fn frame(&mut self) -> Part {
        match self.frames.recv_timeout(TIMEOUT) {
            Ok(part) => part,
            Err(RecvTimeoutError::Timeout) => panic!("no frame after {TIMEOUT:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("exited: {}", self.read_stderr()),
        }
    }

    /// Its error message. It must exit without another frame.
    pub fn failure(self) -> String {
        let stderr = self.stderr_at_exit();
        let last = stderr.lines().last().unwrap_or_default();
        last.strip_prefix("framecast: ")
            .unwrap_or_else(|| panic!("no error message: {stderr:?}"))
            .to_owned()
    }

    /// Its stderr. It must exit without another frame.
    pub fn stderr_at_exit(mut self) -> String {
        match self.frames.recv_timeout(TIMEOUT) {
            Ok(_) => panic!("another frame"),
            Err(RecvTimeoutError::Timeout) => panic!("still running after {TIMEOUT:?}"),
            Err(RecvTimeoutError::Disconnected) => {}
        }
        let stderr = self.read_stderr();
        assert_eq!(self.child.wait().unwrap().code(), Some(1), "{stderr}");
        stderr
    }

    /// Waits for a frame; if it exits instead, returns its stderr.
    pub fn frame_or_stderr(mut self) -> (bool, String) {
        match self.frames.recv_timeout(TIMEOUT) {
            Ok(_) => (true, self.stop()),
            Err(RecvTimeoutError::Timeout) => panic!("no frame after {TIMEOUT:?}"),
            Err(RecvTimeoutError::Disconnected) => {
                let stderr = self.read_stderr();
                assert_eq!(self.child.wait().unwrap().code(), Some(1), "{stderr}");
                (false, stderr)
            }
        }
    }

    /// Kills it, and returns its stderr.
    pub fn stop(mut self) -> String {
        self.child.kill().expect("the process runs");
        self.read_stderr()
    }

    fn read_stderr(&mut self) -> String {
        let mut stderr = String::new();
        let pipe = self.child.stderr.as_mut().expect("stderr is piped");
        pipe.read_to_string(&mut stderr).expect("stderr is UTF-8");
        stderr
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
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = output.read(&mut buffer) {
        received.extend_from_slice(&buffer[..length]);
        loop {
            match decoder.decode(&mut received) {
                Ok(Some(part)) => drop(frames.send(part)),
                Ok(None) => break,
                Err(rejected) => assert!(rejected.by_driver, "rejected frame: {rejected}"),
            }
        }
    }
    assert_eq!(
        decoder.tally().discarded_bytes,
        0,
        "the output contains only parts"
    );
}
