//! What all drivers have in common: how the server sees them, and how their frames leave.

use std::io::{self, Write};
use std::time::Duration;

use super::error::{CaptureError, SourceError};
use crate::clock::wall_time;
use crate::wire::metadata::{Sequence, WallTime};
use crate::wire::multipart::{EncodedPart, Framing, PartFormat, preamble, rejected_part};
use crate::wire::part::{Part, REPAIRED_FIELD, Reason, Repair};

/// A source whose rate is not known should give a frame within this.
pub(super) const FRAME_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// No rate asks for more patience than this: four months, in seconds.
const FRAME_TIMEOUT_SECONDS_MAX: f64 = 1e7;

/// The word between the parts that a driver writes.
pub const BOUNDARY: &str = "frame";

/// What each source does.
pub(crate) trait Driver {
    /// Looks whether frames can be expected, without capturing any.
    fn check(&self) -> Result<(), SourceError>;

    /// Sends frames until there are no more or `parts` fails.
    fn run(&self, parts: &mut Parts) -> Result<(), CaptureError>;

    /// How long it may give no frame while all is well ([`patience`]); `None` for one that may be
    /// silent for ever.
    ///
    /// The driver and the server both go by this: within it a driver retries by itself, after it
    /// the server shows the camera as offline and `/healthz` reports it.
    fn frame_timeout(&self) -> Option<Duration> {
        Some(frame_timeout(None, None))
    }

    /// Whether it recovers by itself when its source is silent for a while, so that killing it
    /// would not help.
    fn recovers(&self) -> bool {
        false
    }

    /// How often, from start to start, it is run again when it gives a picture and ends well;
    /// `None` for one that is not to end.
    fn repeat_interval(&self) -> Option<Duration> {
        None
    }
}

/// The patience with a source: its parameter `timeout` ([`FRAME_TIMEOUT_DEFAULT`] without it), but no less than
/// the time of three frames at `fps`, its parameter of that name or the rate it is known to have.
pub(super) fn frame_timeout(timeout: Option<Duration>, fps: Option<f64>) -> Duration {
    let three_frames = fps.map_or(0.0, |fps| (3.0 / fps).min(FRAME_TIMEOUT_SECONDS_MAX));
    timeout
        .unwrap_or(FRAME_TIMEOUT_DEFAULT)
        .max(Duration::from_secs_f64(three_frames))
}

/// The header line that reports what was mended in a frame, if anything.
pub(super) fn repaired_line(repair: Option<Repair>) -> String {
    repair
        .map(|repair| format!("{REPAIRED_FIELD}: {}\r\n", repair.as_str()))
        .unwrap_or_default()
}

/// The wall time of a frame whose source states none.
pub(super) fn arrival_time() -> WallTime {
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

impl<'a> Parts<'a> {
    /// Begins the output of a driver whose source may give frames of at most `frame_bytes_max`
    /// bytes.
    pub(super) fn new(out: &'a mut dyn Write, frame_bytes_max: usize) -> Self {
        Self {
            out,
            frame_bytes_max,
            begun: false,
            sequence: 0,
            relayed: None,
        }
    }

    /// The largest frame that is accepted from the source, in bytes.
    pub(super) fn frame_bytes_max(&self) -> usize {
        self.frame_bytes_max
    }

    /// Sends one frame under the next number, whole and at once: a reader is woken once for it and
    /// never waits for the rest in a buffer. A `captured_at`, since the Unix epoch, outside the
    /// years 2000 to 9999 becomes the time that is now.
    pub(super) fn send(&mut self, captured_at: Duration, jpeg: &[u8]) -> Result<(), CaptureError> {
        self.send_repaired(captured_at, jpeg, None)
    }

    /// Sends one frame as [`Parts::send`] does, and reports what was mended in it.
    pub(super) fn send_repaired(
        &mut self,
        captured_at: Duration,
        jpeg: &[u8],
        repair: Option<Repair>,
    ) -> Result<(), CaptureError> {
        let captured_at = WallTime::new(captured_at).unwrap_or_else(arrival_time);
        self.send_numbered(
            self.sequence.saturating_add(1),
            captured_at,
            jpeg,
            &repaired_line(repair),
        )
    }

    /// Sends one frame under the number its source gave it. `fields` are header lines by which the
    /// driver reports what was mended in it or ignored of it, for the server to count and log.
    pub(super) fn send_numbered(
        &mut self,
        sequence: u64,
        captured_at: WallTime,
        jpeg: &[u8],
        fields: &str,
    ) -> Result<(), CaptureError> {
        self.sequence = sequence;
        let division = PartFormat {
            boundary: BOUNDARY,
            fields,
        };
        let part =
            EncodedPart::encode(division, sequence, captured_at, jpeg).framed(Framing::Length);
        self.write(&part).map_err(CaptureError::Output)
    }

    /// Sends a frame that another server has numbered, or a camera has not: under its own number
    /// where it has one, with the time of its capture if that is known, and with the Huffman tables
    /// that it may lack.
    pub(super) fn relay(&mut self, part: Part) -> Result<(), CaptureError> {
        let newest = part.sequence.map(|sequence| (sequence, part.captured_at));
        // A framecast server repeats the newest frame to an idle viewer; a repeat is not another
        // frame.
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

    /// Reports a frame of the source that was rejected for `reason`, so that the server counts it.
    /// Logging it is left to the caller.
    pub(super) fn report_rejected(&mut self, reason: Reason) -> Result<(), CaptureError> {
        self.write(&rejected_part(BOUNDARY, reason))
            .map_err(CaptureError::Output)
    }

    /// Passes on what is framed already, at once.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Result<(), CaptureError> {
        self.out
            .write_all(bytes)
            .and_then(|()| self.out.flush())
            .map_err(CaptureError::Output)
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
