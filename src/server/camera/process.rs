//! A running child process that writes frames: its pipe of them, and what has been read of it.

use std::io::{self, ErrorKind, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use mio::unix::pipe::Receiver;
use mio::{Interest, Registry};
use rustix::process::Signal;

use super::useless::Useless;
use crate::server::child::{Child, KILL_AFTER};
use crate::server::settings::WarmUp;
use crate::server::token::{Owner, Pipe};
use crate::wire::pieces::{PieceDecoder, Work};
use crate::wire::source::{Part, Reason, Repair, Tally};

/// Asked of the kernel for the pipe of frames, so that a large frame comes in one piece.
const PIPE_BYTES: usize = 1024 * 1024;

/// A driver that has closed its standard output is given so long to end by itself.
const EXIT_GRACE: Duration = Duration::from_secs(2);

/// Bytes read from the pipe of frames at once: no more than is decoded soon.
const PIECE_BYTES: usize = 64 * 1024;

/// A running child process that writes frames: a driver, or who draws the picture that stands in for its frames.
#[derive(Debug)]
pub(super) struct Process {
    run: u32,
    child: Child,
    output: Option<Receiver>,
    /// A budget ended the reading or decoding of the output early: there may be more, and no edge will tell.
    output_owed: bool,
    /// When its output ended.
    closed_at: Option<Instant>,
    /// When it was told to end after that.
    told_to_end_at: Option<Instant>,
    /// What it wrote since its newest frame.
    useless: Useless,
    decoder: PieceDecoder,
    /// The largest frame accepted, in bytes.
    frame_bytes_max: usize,
    /// What decoding may still cost in the turn that began at this time.
    work: (Instant, Work),
    /// When it gave its newest frame; before the first, when it was started.
    heard_at: Instant,
    /// When it gave its first frame.
    first_heard_at: Option<Instant>,
    /// The reasons for which frames of it were rejected, as far as they have been said.
    said: Vec<Reason>,
    /// What was mended in its frames, as far as it has been logged.
    repairs_said: Vec<Repair>,
}

impl Process {
    /// Starts `command` in a process group of its own and registers its pipes.
    pub(super) fn spawn(
        command: &mut Command,
        frame_bytes_max: usize,
        pipe: Pipe,
        registry: &Registry,
        now: Instant,
    ) -> io::Result<Self> {
        let errors = Owner::CameraErrors(pipe).token();
        let mut child = Child::spawn(command.stdout(Stdio::piped()), errors, registry, now)?;
        let missing = || io::Error::other("a pipe to it is missing");
        let mut output: Receiver = child.take_output().ok_or_else(missing)?.into();
        // A smaller pipe works as well, only in more pieces.
        let _ = rustix::pipe::fcntl_setpipe_size(&output, PIPE_BYTES);
        output.set_nonblocking(true)?;
        registry.register(&mut output, Owner::CameraOutput(pipe).token(), Interest::READABLE)?;
        Ok(Self {
            run: pipe.run,
            child,
            output: Some(output),
            output_owed: false,
            closed_at: None,
            told_to_end_at: None,
            useless: Useless::default(),
            decoder: PieceDecoder::new(frame_bytes_max),
            frame_bytes_max,
            work: (now, Work::TURN),
            heard_at: now,
            first_heard_at: None,
            said: Vec::new(),
            repairs_said: Vec::new(),
        })
    }

    /// The number of the process among those of its camera, which its events carry.
    pub(super) fn run(&self) -> u32 {
        self.run
    }

    /// The process itself.
    pub(super) fn child(&self) -> &Child {
        &self.child
    }

    /// When it was started.
    pub(super) fn started_at(&self) -> Instant {
        self.child.started_at()
    }

    /// For how long no frame has come of it.
    pub(super) fn silent_since(&self) -> Instant {
        self.heard_at
    }

    /// Whether a frame has come of it.
    pub(super) fn has_given_frames(&self) -> bool {
        self.decoder.tally().accepted.frames > 0
    }

    /// Whether its pictures may still be dark or out of focus.
    pub(super) fn is_warming_up(&self, warm_up: WarmUp, now: Instant) -> bool {
        match warm_up {
            WarmUp::Frames(count) => self.decoder.tally().accepted.frames <= u64::from(count),
            WarmUp::Time(time) => self.first_heard_at.is_none_or(|first| now.saturating_duration_since(first) < time),
        }
    }

    /// What became of the bytes it wrote.
    pub(super) fn tally(&self) -> Tally {
        self.decoder.tally()
    }

    /// Bytes that are not yet known to be a frame or none.
    pub(super) fn bytes_undecided(&self) -> u64 {
        self.decoder.undecided_bytes() as u64
    }

    /// Whether reading ended early and must go on without an edge.
    pub(super) fn is_owed(&self) -> bool {
        self.output_owed || self.child.is_owed()
    }

    /// When its output ended: nothing more can come of it.
    pub(super) fn closed_at(&self) -> Option<Instant> {
        self.closed_at
    }

    /// A driver whose output has ended is to end, too: it is given [`EXIT_GRACE`], then told to, then killed.
    pub(super) fn hurry(&mut self, now: Instant) {
        let Some(at) = self.hurry_at().filter(|at| now >= *at) else { return };
        self.child.signal(if self.told_to_end_at.is_none() { Signal::TERM } else { Signal::KILL });
        self.told_to_end_at = Some(at.max(now));
    }

    /// When [`Process::hurry`] must be called, if the process does not end before.
    pub(super) fn hurry_at(&self) -> Option<Instant> {
        let closed_at = self.closed_at?;
        Some(self.told_to_end_at.map_or(closed_at + EXIT_GRACE, |told_at| told_at + KILL_AFTER))
    }

    /// Why what it writes is useless, once that is beyond doubt.
    pub(super) fn complaint(&self, now: Instant) -> Option<String> {
        self.useless.complaint(&self.tally(), self.frame_bytes_max, now)
    }

    /// Why what it has written is useless, once it has ended.
    pub(super) fn last_complaint(&self) -> Option<String> {
        self.useless.last_complaint(&self.tally(), self.frame_bytes_max)
    }

    /// When there may be a complaint next, if nothing more comes of it.
    pub(super) fn complaint_at(&self) -> Option<Instant> {
        self.useless.complaint_at(&self.tally())
    }

    /// Whether the process has come to its end. It stays to be reaped.
    pub(super) fn has_ended(&self) -> io::Result<bool> {
        self.child.has_ended()
    }

    /// Takes the exit status of a process that has ended, and ends whatever it has started.
    pub(super) fn reap(&mut self) -> io::Result<ExitStatus> {
        self.child.reap()
    }

    /// Signals the process and all it has started.
    pub(super) fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    /// Reads and decodes until the pipe would block, has ended, or the budget of the turn that began at `now` is spent.
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
        if self.work.0 != now {
            self.work = (now, Work::TURN);
        }
        loop {
            // What an earlier turn has left comes first.
            self.decode(now, &mut publish, &mut say);
            self.output_owed = self.work.1.is_spent();
            if self.output_owed {
                break;
            }
            let Some(output) = &mut self.output else {
                if let Some(part) = self.decoder.finish() {
                    self.accept(part, now, &mut publish, &mut say);
                }
                break;
            };
            match output.read(&mut scratch[..PIECE_BYTES]) {
                Ok(0) => {
                    self.output = None;
                    self.closed_at = Some(now);
                }
                Ok(count) => {
                    self.useless.note(&scratch[..count], now);
                    self.decoder.push(&scratch[..count]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    self.output = None;
                    self.closed_at = Some(now);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn decode(&mut self, now: Instant, publish: &mut impl FnMut(Part), say: &mut impl FnMut(&str)) {
        loop {
            match self.decoder.decode(&mut self.work.1) {
                Ok(Some(part)) => self.accept(part, now, publish, say),
                Ok(None) => return,
                Err(rejected) => {
                    self.useless.rejected = Some(rejected.reason);
                    if !rejected.by_driver && !self.said.contains(&rejected.reason) {
                        self.said.push(rejected.reason);
                        say(&format!("{}; others like it are only counted", rejected.sentence(self.frame_bytes_max)));
                    }
                }
            }
        }
    }

    fn accept(&mut self, part: Part, now: Instant, publish: &mut impl FnMut(Part), say: &mut impl FnMut(&str)) {
        self.heard_at = now;
        self.first_heard_at.get_or_insert(now);
        self.useless = Useless::after(&self.tally());
        if let Some(repair) = part.repair.filter(|repair| !self.repairs_said.contains(repair)) {
            self.repairs_said.push(repair);
            say(&format!("{repair}; others like it are only counted"));
        }
        publish(part.with_tables());
    }

    /// Reads words until the pipe would block or has ended, and hands on each line.
    pub(super) fn read_errors(&mut self, scratch: &mut [u8], say: impl FnMut(&str)) {
        self.child.read_words(scratch, say);
    }
}
