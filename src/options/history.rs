//! What is kept of the past.

use std::time::Duration;

use clap::Args;

use super::given::One;
use super::values::mebibytes;

/// The longest history: a day.
const SPAN_MAX: Duration = Duration::from_secs(86_400);

/// The options of `framecast serve` for clips and for streams that show the past.
#[derive(Debug, Args)]
pub(super) struct History {
    /// Keep the frames of so long a time, while a camera runs, for /clip.avi, /clip.mjpeg and
    /// ?delay=; 0s for none
    #[arg(long = "history", value_name = "TIME", env = "FRAMECAST_HISTORY")]
    #[arg(value_parser = One(span), default_value = "0s")]
    pub(super) span: Duration,

    /// Frames kept of one camera in memory, in MiB; the history is shorter where they do not fit
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
    /// The bound of one camera's frames, in bytes.
    pub(super) fn bytes_max(&self) -> usize {
        self.max_mib as usize * 1024 * 1024
    }
}

/// A length of time that may be zero.
fn span(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text).ok();
    parsed
        .filter(|span| span.is_zero() || (Duration::from_secs(1)..=SPAN_MAX).contains(span))
        .ok_or_else(|| {
            "a history is 0s for none, or a time from 1s to 24h with its unit, as in 30s or 2m"
                .into()
        })
}
