//! Who was starved: a thin bar for each viewer, as tall and as coloured as its share of the frames,
//! with a paler one above it for what it lacked.

use std::fmt::Write;

use crate::bench::outcome::{Outcome, enough_frames};

/// Bars in one strip. Of more viewers than these, several share a bar, so that a page stays small
/// and a bar visible.
const BARS_MAX: usize = 400;

/// Bars that a strip has room for at least: few of them stay thin.
const ROOM_BARS_MIN: usize = 100;

/// From this many bars on there is no room for gaps between them.
const GAPLESS_BARS: usize = 150;

/// The height of a bar that got everything, and of one that got nothing: it must be seen, too.
const HEIGHT: f64 = 40.0;
const HEIGHT_MIN: f64 = 5.0;

/// What colours mean, from all frames to none: the least share of each, and its name.
pub(super) const LEVELS: [(f64, &str); 5] = [
    (1.0, "full rate"),
    (0.9, "90 % and more"),
    (0.5, "50 % and more"),
    (0.01, "less"),
    (0.0, "nothing"),
];

/// How many viewers share a bar: 1 for up to a few hundred.
pub(super) fn viewers_per_bar(viewers: usize) -> usize {
    viewers.div_ceil(BARS_MAX).max(1)
}

/// The strip of one step as an `svg` element, for viewers that could have had `full_fps`. A bar
/// that several share shows the one that got least: an average would hide whoever starves.
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

/// What of its frames a viewer got; all of them if it lacks no more than the beginning and the end
/// may cut off.
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
