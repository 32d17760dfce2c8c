//! The options of `framecast serve` for snapshots, clips and delayed streams.

use std::time::Duration;

use clap::Args;

use super::given::One;
use super::values::{age, mebibytes, span, warm_up};
use crate::server::WarmUp;

/// The options of `framecast serve` for snapshots, clips and delayed streams.
#[derive(Debug, Args)]
#[command(next_help_heading = "Snapshots and clips")]
pub(super) struct History {
    /// Frames or time to skip before the first snapshot of a camera that has just started
    ///
    /// A number of frames from 0 to 100, or a time of at most 5s. Cameras adjust their exposure in
    /// their first frames. [default: 500ms for cameras of this machine, 0 for others]
    #[arg(long, value_name = "TIME|FRAMES", env = "FRAMECAST_WARM_UP", value_parser = One(warm_up))]
    pub(super) warm_up: Option<WarmUp>,

    /// Largest age of a snapshot, from 0s to 1h; for an older frame, the next one is awaited
    ///
    /// 0s returns a frame captured after the request. max_age=MILLISECONDS in a request overrides
    /// it. [default: the newest frame, whatever its age]
    #[arg(long, value_name = "TIME", env = "FRAMECAST_SNAPSHOT_MAX_AGE", value_parser = One(age))]
    pub(super) snapshot_max_age: Option<Duration>,

    /// Time for which past frames are kept for clips and ?delay=, from 1s to 24h; 0s keeps none
    ///
    /// /clip.avi, /clip.mjpeg and /stream?delay=TIME return them. Frames are kept only while the
    /// camera runs; see --always-on.
    #[arg(long = "history", value_name = "TIME", env = "FRAMECAST_HISTORY")]
    #[arg(value_parser = One(span), default_value = "0s")]
    pub(super) span: Duration,

    /// Memory for the past frames of one camera, in MiB; the oldest are dropped first
    #[arg(
        long = "history-max-mib",
        value_name = "MIB",
        env = "FRAMECAST_HISTORY_MAX_MIB",
        default_value_t = 64
    )]
    #[arg(value_parser = One(mebibytes), allow_negative_numbers = true)]
    max_mib: u32,
}

impl History {
    /// Returns the memory limit of one camera's history, in bytes.
    pub(super) fn bytes_max(&self) -> usize {
        self.max_mib as usize * 1024 * 1024
    }
}
