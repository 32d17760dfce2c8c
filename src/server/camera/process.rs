//! A running child process: its two pipes, and what has been read of them.

use std::io::{self, ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use bytes::BytesMut;
use mio::unix::pipe::Receiver;
use mio::{Interest, Registry};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::server::token::{Owner, Pipe};
use crate::wire::jpeg::FRAME_BYTES_MAX;
use crate::wire::source::{Part, Reason, SourceDecoder, Tally};

/// Asked of the kernel for the pipe of frames, so that a large frame comes in one piece.
const PIPE_BYTES: usize = 1024 * 1024;

/// Bytes read from one driver in one turn.
const OUTPUT_BUDGET_BYTES: usize = 4 * 1024 * 1024;
const ERRORS_BUDGET_BYTES: usize = 64 * 1024;

/// A line of a driver's words is kept up to this length.
const LINE_BYTES_MAX: usize = 1024;

/// A running child process that writes frames: a driver, or who draws the picture that stands in for its frames.
#[derive(Debug)]
pub(super) struct Process {
    run: u32,
    child: Child,
    output: Option<Receiver>,
    errors: Option<Receiver>,
    /// A budget ended the reading of the output early: there may be more, and no edge will tell.
    output_owed: bool,
    errors_owed: bool,
    decoder: SourceDecoder,
    received: BytesMut,
    line: Vec<u8>,
    started_at: Instant,
    /// When it gave its newest frame; before the first, when it was started.
    heard_at: Instant,
    /// The reasons for which frames of it were rejected, as far as they have been said.
    said: Vec<Reason>,
}

impl Process {
    /// Starts `command` in a process group of its own and registers its pipes.
    pub(super) fn spawn(command: &mut Command, pipe: Pipe, registry: &Registry, now: Instant) -> io::Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Its own group: Ctrl-C at the terminal is for us to pass on, and a kill reaches all that it starts.
            .process_group(0)
            .spawn()?;
        let missing = || io::Error::other("a pipe to it is missing");
        let mut output: Receiver = child.stdout.take().ok_or_else(missing)?.into();
        let mut errors: Receiver = child.stderr.take().ok_or_else(missing)?.into();
        // A smaller pipe works as well, only in more pieces.
        let _ = rustix::pipe::fcntl_setpipe_size(&output, PIPE_BYTES);
        output.set_nonblocking(true)?;
        errors.set_nonblocking(true)?;
        registry.register(&mut output, Owner::CameraOutput(pipe).token(), Interest::READABLE)?;
        registry.register(&mut errors, Owner::CameraErrors(pipe).token(), Interest::READABLE)?;
        Ok(Self {
            run: pipe.run,
            child,
            output: Some(output),
            errors: Some(errors),
            output_owed: false,
            errors_owed: false,
            decoder: SourceDecoder::new(FRAME_BYTES_MAX),
            received: BytesMut::new(),
            line: Vec::new(),
            started_at: now,
            heard_at: now,
            said: Vec::new(),
        })
    }

    /// The number of the process among those of its camera, which its events carry.
    pub(super) fn run(&self) -> u32 {
        self.run
    }

    /// When it was started.
    pub(super) fn started_at(&self) -> Instant {
        self.started_at
    }

    /// For how long no frame has come of it.
    pub(super) fn silent_since(&self) -> Instant {
        self.heard_at
    }

    /// Whether a frame has come of it.
    pub(super) fn has_given_frames(&self) -> bool {
        self.decoder.tally().accepted.frames > 0
    }

    /// What became of the bytes it wrote.
    pub(super) fn tally(&self) -> Tally {
        self.decoder.tally()
    }

    /// Bytes that are not yet known to be a frame or none.
    pub(super) fn bytes_undecided(&self) -> u64 {
        self.received.len() as u64
    }

    /// Whether reading ended early and must go on without an edge.
    pub(super) fn is_owed(&self) -> bool {
        self.output_owed || self.errors_owed
    }

    /// Whether nothing more can come of it.
    pub(super) fn has_closed_output(&self) -> bool {
        self.output.is_none()
    }

    /// Whether the process has come to its end. It stays to be reaped.
    pub(super) fn has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.pid()), options)?.is_some())
    }

    /// Takes the exit status of a process that has ended. Whatever it has started goes with it: as long as it is not
    /// reaped, its group cannot be another's.
    pub(super) fn reap(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL);
        self.child.wait()
    }

    /// Signals the process and all it has started. That they are gone already is no harm.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.pid(), signal);
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Reads until the pipe would block, has ended, or the budget is spent.
    ///
    /// # Errors
    /// The pipe failed. A frame that was rejected is no error; the first for each reason is handed to `say`.
    pub(super) fn read_output(
        &mut self,
        scratch: &mut [u8],
        now: Instant,
        mut publish: impl FnMut(Part),
        mut say: impl FnMut(&str),
    ) -> io::Result<()> {
        self.output_owed = false;
        let mut total = 0;
        while let Some(output) = &mut self.output {
            if total >= OUTPUT_BUDGET_BYTES {
                self.output_owed = true;
                break;
            }
            match output.read(scratch) {
                Ok(0) => self.output = None,
                Ok(count) => {
                    total += count;
                    self.received.extend_from_slice(&scratch[..count]);
                    self.decode(now, &mut publish, &mut say);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    self.output = None;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn decode(&mut self, now: Instant, publish: &mut impl FnMut(Part), say: &mut impl FnMut(&str)) {
        loop {
            match self.decoder.decode(&mut self.received) {
                Ok(Some(part)) => {
                    self.heard_at = now;
                    publish(part);
                }
                Ok(None) => return,
                Err(rejected) if self.said.contains(&rejected.reason) => {}
                Err(rejected) => {
                    self.said.push(rejected.reason);
                    say(&format!("{rejected}; others like it are only counted"));
                }
            }
        }
    }

    /// Reads words until the pipe would block or has ended, and hands on each line.
    pub(super) fn read_errors(&mut self, scratch: &mut [u8], mut say: impl FnMut(&str)) {
        self.errors_owed = false;
        let mut total = 0;
        while let Some(errors) = &mut self.errors {
            if total >= ERRORS_BUDGET_BYTES {
                self.errors_owed = true;
                return;
            }
            match errors.read(scratch) {
                Ok(0) => self.errors = None,
                Ok(count) => {
                    total += count;
                    self.split_lines(&scratch[..count], &mut say);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.errors = None,
            }
        }
        if !self.line.is_empty() {
            say(&String::from_utf8_lossy(&std::mem::take(&mut self.line)));
        }
    }

    fn split_lines(&mut self, words: &[u8], say: &mut impl FnMut(&str)) {
        for piece in words.split_inclusive(|&byte| byte == b'\n') {
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            let (text, whole) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if whole {
                let line = std::mem::take(&mut self.line);
                if !line.is_empty() {
                    say(&String::from_utf8_lossy(&line));
                }
            }
        }
    }
}
