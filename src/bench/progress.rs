//! The progress bar of a run.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::Plan;

/// The state of a run, reported about ten times a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    /// Viewers are connecting.
    Joining {
        /// The number of viewers with a first frame.
        joined: usize,
    },
    /// The measurement is running.
    Measuring {
        /// The time since its beginning.
        elapsed: Duration,
        /// Frames per second so far: the mean over the steady viewers that have not failed.
        fps: f64,
        /// Damaged parts so far, of all viewers.
        damaged: u64,
    },
}

/// A progress bar on standard error; hidden if that is not a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    viewers: usize,
    span: Duration,
}

/// The maximum frequency of drawing the bar.
const DRAWINGS_PER_SECOND: u8 = 10;

/// The number of steps of the bar.
const STEPS: f64 = 1000.0;

impl Progress {
    /// Creates the bar for a plan.
    pub(super) fn new(plan: &Plan) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(DRAWINGS_PER_SECOND);
        let bar = ProgressBar::with_draw_target(Some(STEPS as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:32.cyan} {msg}") {
            bar.set_style(style.progress_chars("━╸ "));
        }
        let progress = Self {
            bar,
            viewers: plan.staying(),
            span: plan.duration(),
        };
        progress.show(Moment::Joining { joined: 0 });
        progress
    }

    /// Updates the bar.
    pub(super) fn show(&self, moment: Moment) {
        let viewers = self.viewers;
        let (share, message) = match moment {
            Moment::Joining { joined } => (
                joined as f64 / viewers as f64,
                format!("joining {joined}/{viewers}"),
            ),
            Moment::Measuring {
                elapsed,
                fps,
                damaged,
            } => {
                let (elapsed_s, span_s) = (elapsed.as_secs_f64(), self.span.as_secs_f64());
                let message = format!(
                    "{viewers} viewers, {elapsed_s:.1} of {span_s:.1} s: {fps:.2} fps, {damaged} damaged"
                );
                (elapsed_s / span_s, message)
            }
        };
        self.bar.set_message(message);
        self.bar.set_position((share * STEPS) as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
