//! The drivers behind `framecast capture`: ordinary blocking programs that write frames to standard output.
//! They know nothing of the server: what they share with it is [`crate::wire`].
//!
//! A source is one variant of [`Source`] and one file with its `Driver`. To add one, write the file and name it in the
//! four places of `source.rs` that the compiler and the list of sources there lead to.

pub mod canvas;
pub mod card;
pub mod clock;
pub mod exec;
mod folder;
pub mod hints;
pub mod http;
pub mod numbers;
pub mod offline;
pub mod pattern;
pub mod pen;
mod program;
pub mod redis;
pub mod rpicam;
pub mod size;
pub mod source;
pub mod stdin;
pub mod stills;
mod turn;
pub mod v4l2;
mod watch;

use std::io::{self, Write};
use std::time::Duration;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

pub use source::{Source, SourceError};

use crate::clock::wall_time;
use crate::wire::facts::{Sequence, WallTime};
use crate::wire::multipart::{Division, EncodedPart, Framing, preamble, rejected_part};
use crate::wire::source::{Part, REPAIRED_FIELD, Reason, Repair};

/// A source whose rate is not known should give a frame within this.
const PATIENCE: Duration = Duration::from_secs(5);

/// No rate asks for more patience than this: four months, in seconds.
const PATIENCE_SECONDS_MAX: f64 = 1e7;

/// The variable by which a driver is given its source: every user of the machine can read an argument list, only the
/// same user an environment.
pub const SOURCE_VARIABLE: &str = "FRAMECAST_SOURCE";

/// The word between the parts that a driver writes.
pub const BOUNDARY: &str = "frame";

/// Captures from `source` and writes its frames to `out` as multipart parts, each with its wall time of capture.
/// A frame of the source larger than `frame_bytes_max` is rejected.
///
/// Returns `Ok` when nobody reads `out` any more, which is how a driver is told to end, or when the source has no
/// more frames.
///
/// # Errors
/// The source cannot be read, or `out` fails in any other way.
pub fn run(source: &Source, frame_bytes_max: usize, out: &mut impl Write) -> Result<(), CaptureError> {
    match source.driver().run(&mut Parts { out, frame_bytes_max, begun: false, sequence: 0, relayed: None }) {
        Err(CaptureError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Lets this process and whatever it becomes by `exec` die with the process `server` that started it, however that
/// ends: a driver without a reader would hold its camera for ever. For publishers it holds likewise.
///
/// # Errors
/// `server` has ended already, or the kernel knows no such thing.
pub fn die_with(server: Pid) -> io::Result<()> {
    // A program may ignore anything else, and then nobody is left to insist.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    match getppid() == Some(server) {
        true => Ok(()),
        false => Err(io::Error::other("the server that started this driver has ended")),
    }
}

/// Why a driver ended.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The source gives no frames.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The frames cannot be handed on.
    #[error("cannot write frames to standard output: {0}")]
    Output(io::Error),
}

/// What each source does.
pub(crate) trait Driver {
    /// Looks whether frames can be expected, without capturing any.
    fn check(&self) -> Result<(), SourceError>;

    /// Sends frames until there are no more or `parts` fails.
    fn run(&self, parts: &mut Parts) -> Result<(), CaptureError>;

    /// How long it may give no frame while all is well ([`patience`]); `None` for one that may be silent for ever.
    ///
    /// The driver and the server both go by this: within it a driver retries by itself, after it the server shows the
    /// camera as offline and `/healthz` reports it.
    fn patience(&self) -> Option<Duration> {
        Some(patience(None, None))
    }

    /// Whether it gets over it by itself when its source gives nothing for a while: to kill it then helps nobody.
    fn heals(&self) -> bool {
        false
    }

    /// How often, from start to start, it is run again when it gives a picture and ends well; `None` for one that is
    /// not to end.
    fn repeats_every(&self) -> Option<Duration> {
        None
    }
}

/// The patience with a source: its parameter `timeout` ([`PATIENCE`] without it), but no less than the time of three
/// frames at `fps`, its parameter of that name or the rate it is known to have.
fn patience(timeout: Option<Duration>, fps: Option<f64>) -> Duration {
    let three_frames = fps.map_or(0.0, |fps| (3.0 / fps).min(PATIENCE_SECONDS_MAX));
    timeout.unwrap_or(PATIENCE).max(Duration::from_secs_f64(three_frames))
}

/// The header line that reports what was mended in a frame, if anything.
fn repaired_line(repair: Option<Repair>) -> String {
    repair.map(|repair| format!("{REPAIRED_FIELD}: {}\r\n", repair.as_str())).unwrap_or_default()
}

/// The wall time of a frame whose source states none.
fn arrival_time() -> WallTime {
    WallTime::nearest(wall_time())
}

/// The output of a driver.
pub(crate) struct Parts<'a> {
    out: &'a mut dyn Write,
    /// See [`Parts::frame_bytes_max`].
    frame_bytes_max: usize,
    /// Whether the preamble has been sent.
    begun: bool,
    /// The number of the newest frame; the first one has 1, unless its source gives it another.
    sequence: u64,
    /// The number and the time of the newest relayed frame, if its source gave it a number.
    relayed: Option<(Sequence, Option<WallTime>)>,
}

impl Parts<'_> {
    /// The largest frame that is accepted from the source, in bytes.
    fn frame_bytes_max(&self) -> usize {
        self.frame_bytes_max
    }

    /// Sends one frame under the next number, whole and at once: a reader is woken once for it and never waits for the
    /// rest in a buffer. A `captured_at`, since the Unix epoch, outside the years 2000 to 9999 becomes the time that is
    /// now.
    fn send(&mut self, captured_at: Duration, jpeg: &[u8]) -> Result<(), CaptureError> {
        self.send_repaired(captured_at, jpeg, None)
    }

    /// Sends one frame as [`Parts::send`] does, and reports what was mended in it.
    fn send_repaired(
        &mut self,
        captured_at: Duration,
        jpeg: &[u8],
        repair: Option<Repair>,
    ) -> Result<(), CaptureError> {
        let captured_at = WallTime::new(captured_at).unwrap_or_else(arrival_time);
        self.send_numbered(self.sequence.saturating_add(1), captured_at, jpeg, &repaired_line(repair))
    }

    /// Sends one frame under the number its source gave it. `fields` are header lines by which the driver reports what
    /// was mended in it or ignored of it, for the server to count and log.
    fn send_numbered(
        &mut self,
        sequence: u64,
        captured_at: WallTime,
        jpeg: &[u8],
        fields: &str,
    ) -> Result<(), CaptureError> {
        self.sequence = sequence;
        let division = Division { boundary: BOUNDARY, fields };
        let part = EncodedPart::encode(division, sequence, captured_at, jpeg).framed(Framing::Length);
        self.write(&part).map_err(CaptureError::Output)
    }

    /// Sends a frame that another server has numbered, or a camera has not: under its own number where it has one, with
    /// the time of its capture if that is known, and with the Huffman tables that it may lack.
    fn relay(&mut self, part: Part) -> Result<(), CaptureError> {
        let newest = part.sequence.map(|sequence| (sequence, part.captured_at));
        // A framecast repeats the newest frame to a viewer who has had none for a while; it is not another one.
        if newest.is_some() && newest == self.relayed {
            return Ok(());
        }
        self.relayed = newest;
        let captured_at = part.captured_at.unwrap_or_else(arrival_time);
        let next = self.sequence.saturating_add(1);
        let fields = repaired_line(part.repair) + &part.ignored.header_line();
        let number = part.sequence.map_or(next, Sequence::get);
        self.send_numbered(number, captured_at, &part.with_tables().jpeg, &fields)
    }

    /// Reports a frame of the source that was rejected for `reason`, so that the server counts it. Logging it is left
    /// to the caller.
    fn report_rejected(&mut self, reason: Reason) -> Result<(), CaptureError> {
        self.write(&rejected_part(BOUNDARY, reason)).map_err(CaptureError::Output)
    }

    /// Passes on what is framed already, at once.
    fn pass(&mut self, bytes: &[u8]) -> Result<(), CaptureError> {
        self.out.write_all(bytes).and_then(|()| self.out.flush()).map_err(CaptureError::Output)
    }

    fn write(&mut self, part: &[u8]) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            self.out.write_all(&preamble(BOUNDARY, Framing::Length))?;
        }
        self.out.write_all(part)?;
        self.out.flush()
    }
}
