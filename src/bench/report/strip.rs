//! A bar chart of the viewers' frame rates: height and colour of a bar show the viewer's share of the
//! frames, a paler bar above it what is missing.

use std::fmt::Write;

use crate::bench::outcome::{Outcome, enough_frames};

/// The maximum number of bars. More viewers share bars, so that the page stays small and bars visible.
const BARS_MAX: usize = 400;

/// The minimum number of bars that a chart has room for, so that a few bars stay thin.
const ROOM_BARS_MIN: usize = 100;

/// From this number of bars on, there are no gaps between them.
const GAPLESS_BARS: usize = 150;

/// The height of a bar with all frames.
const HEIGHT: f64 = 40.0;
/// The height of a bar without frames, which must be visible too.
const HEIGHT_MIN: f64 = 5.0;

/// The colours, from all frames to none: the minimum share and the name of each.
pub(super) const LEVELS: [(f64, &str); 5] = [
    (1.0, "full rate"),
    (0.9, "90 % and more"),
    (0.5, "50 % and more"),
    (0.01, "less"),
    (0.0, "nothing"),
];

/// Returns the number of viewers per bar.
pub(super) fn viewers_per_bar(viewers: usize) -> usize {
    viewers.div_ceil(BARS_MAX).max(1)
}

/// Draws the chart of one step as an `svg` element. A bar of several viewers shows the lowest rate: an
/// average would hide it.
pub(super) fn draw(step: &Outcome, full_fps: f64) -> String {
    let frames = &step.steady.frames_by_viewer;
    let enough = enough_frames(full_fps * step.seconds);
    let lowest = frames
        .chunks(viewers_per_bar(frames.len()))
        .map(|bar| bar.iter().copied().min().unwrap_or(0));
    let shares: Vec<f64> = lowest
        .map(|frames| share(frames as f64, enough, full_fps * step.seconds))
        .collect();
    let width = if shares.len() < GAPLESS_BARS {
        0.8
    } else {
        1.0
    };
    let mut paths = [const { (String::new(), String::new()) }; LEVELS.len()];
    for (index, share) in shares.iter().enumerate() {
        let top = (HEIGHT - (share * HEIGHT).max(HEIGHT_MIN)).round();
        let (got, lacked) = &mut paths[level(*share)];
        // Writing to a string cannot fail.
        let _ = write!(got, "M{index} {HEIGHT}V{top}h{width}V{HEIGHT}z");
        let _ = write!(lacked, "M{index} 0V{top}h{width}V0z");
    }
    let mut svg = format!(
        r#"<svg class="strip" viewBox="0 0 {} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{}">"#,
        shares.len().max(ROOM_BARS_MIN),
        describe(&shares),
    );
    for (level, (got, lacked)) in paths
        .iter()
        .enumerate()
        .filter(|(_, (got, _))| !got.is_empty())
    {
        let _ = write!(svg, r#"<path class="level{level}" d="{got}"/>"#);
        if level > 0 {
            let _ = write!(svg, r#"<path class="level{level} lacked" d="{lacked}"/>"#);
        }
    }
    svg + "</svg>"
}

/// Returns the share of the frames that a viewer got; 1 if it lacks at most two.
fn share(frames: f64, enough: f64, full: f64) -> f64 {
    match frames >= enough && full > 0.0 {
        true => 1.0,
        false if full > 0.0 => frames / full,
        false => 0.0,
    }
}

fn level(share: f64) -> usize {
    LEVELS
        .iter()
        .position(|(least, _)| share >= *least)
        .unwrap_or(LEVELS.len() - 1)
}

fn describe(shares: &[f64]) -> String {
    let starved = shares.iter().filter(|share| **share < 1.0).count();
    format!("{starved} of {} bars are below the full rate", shares.len())
}
