//! The trait of all drivers, and their output: frames as multipart parts.

use std::io::{self, Write};
use std::time::Duration;

use super::error::{CaptureError, SourceError};
use crate::clock::wall_time;
use crate::wire::metadata::{Sequence, WallTime};
use crate::wire::multipart::{EncodedPart, Framing, PartFormat, preamble, rejected_part};
use crate::wire::part::{Part, REPAIRED_FIELD, Reason, Repair};

/// The frame timeout of a source whose rate is unknown.
pub(super) const FRAME_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// The maximum frame timeout that a rate leads to: four months, in seconds.
const FRAME_TIMEOUT_SECONDS_MAX: f64 = 1e7;

/// The multipart boundary of a driver's output.
pub const BOUNDARY: &str = "frame";

/// The driver of one kind of source.
pub(crate) trait Driver {
    /// Checks, without capturing, whether the source can give frames.
    fn check(&self) -> Result<(), SourceError>;

    /// Captures and writes frames until the source ends or `writer` fails.
    fn run(&self, writer: &mut FrameWriter) -> Result<(), CaptureError>;

    /// The longest time without a frame in normal operation ([`frame_timeout`]); `None` for no
    /// limit.
    ///
    /// Within this time the driver retries by itself. After it, the server shows the camera as
    /// offline and `/healthz` reports it.
    fn frame_timeout(&self) -> Option<Duration> {
        Some(frame_timeout(None, None))
    }

    /// Whether the driver itself reconnects to a silent source, so that killing it would not help.
    fn recovers(&self) -> bool {
        false
    }

    /// The time from one start to the next of a driver that writes one picture and exits with
    /// status 0; `None` if the driver is not to exit.
    fn repeat_interval(&self) -> Option<Duration> {
        None
    }
}

/// The frame timeout of a source: its parameter `timeout`, by default [`FRAME_TIMEOUT_DEFAULT`],
/// and at least the time of three frames at `fps`, if its rate is known.
pub(super) fn frame_timeout(timeout: Option<Duration>, fps: Option<f64>) -> Duration {
    let three_frames = fps.map_or(0.0, |fps| (3.0 / fps).min(FRAME_TIMEOUT_SECONDS_MAX));
    timeout
        .unwrap_or(FRAME_TIMEOUT_DEFAULT)
        .max(Duration::from_secs_f64(three_frames))
}

/// The header line that reports a repair; empty without one.
pub(super) fn repaired_line(repair: Option<Repair>) -> String {
    repair
        .map(|repair| format!("{REPAIRED_FIELD}: {}\r\n", repair.as_str()))
        .unwrap_or_default()
}

/// The current wall time: the capture time of a frame whose source states none.
pub(super) fn arrival_time() -> WallTime {
    WallTime::nearest(wall_time())
}

/// The output of a driver.
pub(crate) struct FrameWriter<'a> {
    out: &'a mut dyn Write,
    frame_bytes_max: usize,
    /// Whether the preamble has been written.
    begun: bool,
    /// The sequence of the newest frame. It starts with 1, unless the source states sequences.
    sequence: u64,
    /// The sequence and the capture time of the newest relayed frame, as stated by the source.
    relayed: Option<(Sequence, Option<WallTime>)>,
}

impl<'a> FrameWriter<'a> {
    /// A writer to `out`, for a source whose frames have at most `frame_bytes_max` bytes.
    pub(super) fn new(out: &'a mut dyn Write, frame_bytes_max: usize) -> Self {
        Self {
            out,
            frame_bytes_max,
            begun: false,
            sequence: 0,
            relayed: None,
        }
    }

    /// The maximum size of a frame of the source, in bytes.
    pub(super) fn frame_bytes_max(&self) -> usize {
        self.frame_bytes_max
    }

    /// Writes one frame with the next sequence. `captured_at` is the time since the Unix epoch;
    /// outside the years 2000 to 9999, the current time is used instead.
    pub(super) fn send(&mut self, captured_at: Duration, jpeg: &[u8]) -> Result<(), CaptureError> {
        self.send_repaired(captured_at, jpeg, None)
    }

    /// Writes one frame as [`FrameWriter::send`] does, and reports its repair.
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

    /// Writes one frame with the sequence that its source states. `fields` are header lines for the
    /// server, which counts and logs them: repairs and ignored values.
    pub(super) fn send_numbered(
        &mut self,
        sequence: u64,
        captured_at: WallTime,
        jpeg: &[u8],
        fields: &str,
    ) -> Result<(), CaptureError> {
        self.sequence = sequence;
        let format = PartFormat {
            boundary: BOUNDARY,
            fields,
        };
        let part = EncodedPart::encode(format, sequence, captured_at, jpeg).framed(Framing::Length);
        self.write(&part).map_err(CaptureError::Output)
    }

    /// Writes a frame received from a camera or another server: with its sequence and capture time,
    /// if stated, and with the Huffman tables that it may lack.
    pub(super) fn relay(&mut self, part: Part) -> Result<(), CaptureError> {
        let newest = part.sequence.map(|sequence| (sequence, part.captured_at));
        // A framecast server repeats the newest frame to an idle viewer: drop the repeat.
        if newest.is_some() && newest == self.relayed {
            return Ok(());
        }
        self.relayed = newest;
        let captured_at = part.captured_at.unwrap_or_else(arrival_time);
        let next = self.sequence.saturating_add(1);
        let fields = repaired_line(part.repair) + &part.ignored.header_line();
        let sequence = part.sequence.map_or(next, Sequence::get);
        self.send_numbered(sequence, captured_at, &part.with_tables().jpeg, &fields)
    }

    /// Reports a rejected frame of the source, so that the server counts it. The caller logs it.
    pub(super) fn report_rejected(&mut self, reason: Reason) -> Result<(), CaptureError> {
        self.write(&rejected_part(BOUNDARY, reason))
            .map_err(CaptureError::Output)
    }

    /// Writes bytes unchanged, for a source whose output is already multipart or JPEG.
    pub(super) fn pass_through(&mut self, bytes: &[u8]) -> Result<(), CaptureError> {
        self.out
            .write_all(bytes)
            .and_then(|()| self.out.flush())
            .map_err(CaptureError::Output)
    }

    /// Writes one part and flushes: the server reads a frame as soon as it is complete.
    fn write(&mut self, part: &[u8]) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            self.out.write_all(&preamble(BOUNDARY, Framing::Length))?;
        }
        self.out.write_all(part)?;
        self.out.flush()
    }
}
