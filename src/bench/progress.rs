//! Where a run stands, for whoever waits for it.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::Plan;

/// Where a run stands. Told about ten times a second, so that telling costs the crowd nothing that
/// could be measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    /// Viewers are coming.
    Joining {
        /// Those that have got their first picture.
        joined: usize,
    },
    /// Figures are taken.
    Measuring {
        /// For how long now.
        elapsed: Duration,
        /// Frames per second so far: the mean over the steady viewers that have not failed.
        fps: f64,
        /// Torn parts so far, of all viewers.
        damaged: u64,
    },
}

/// A bar on standard error; nothing at all if that is no terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    viewers: usize,
    span: Duration,
}

/// How often the bar is drawn at most, but for a burst at its beginning.
const DRAWINGS_PER_SECOND: u8 = 10;

/// The bar's length: fine enough for any terminal.
const STEPS: f64 = 1000.0;

impl Progress {
    /// A bar for one run of a plan.
    pub(super) fn of(plan: &Plan) -> Self {
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

    /// Shows where the run stands.
    pub(super) fn show(&self, moment: Moment) {
        let viewers = self.viewers;
        let (share, words) = match moment {
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
                let words = format!(
                    "{viewers} viewers, {elapsed_s:.1} of {span_s:.1} s: {fps:.2} fps, {damaged} damaged"
                );
                (elapsed_s / span_s, words)
            }
        };
        self.bar.set_message(words);
        self.bar.set_position((share * STEPS) as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
