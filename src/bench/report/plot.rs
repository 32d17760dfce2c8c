//! Plots as inline SVG. The page's style sheet sets the colours of text and grid for light and dark
//! mode; the colours of the lines are readable in both.

use std::io;

use plotters::coord::ranged1d::{KeyPointHint, Ranged};
use plotters::prelude::*;

use crate::bench::outcome::{CurvePoint, Outcome};
use crate::bench::verdict::grouped;

/// The error of a plot that could not be drawn.
pub type PlotError = DrawingAreaErrorKind<io::Error>;

/// The size of a plot in its own coordinates; the page scales it.
const HEIGHT: u32 = 260;
const WIDTH: u32 = 520;
/// The size of a plot that has a row of its own.
const WIDTH_ALONE: u32 = 1080;

/// The colour by which the style sheet finds the grid.
const GRID: RGBColor = RGBColor(0x88, 0x88, 0x88);

const BLUE: RGBColor = RGBColor(0x3b, 0x7d, 0xe0);
const ORANGE: RGBColor = RGBColor(0xd9, 0x77, 0x2b);

/// The minimum distance of two labels, as a share of the axis: closer ones would overlap.
const LABEL_DISTANCE: f64 = 0.09;

/// The labels of the latency axis.
const NAMED_QUANTILES: [(f64, &str); 6] = [
    (0.5, "p50"),
    (0.9, "p90"),
    (0.99, "p99"),
    (0.999, "p99.9"),
    (0.9999, "p99.99"),
    (0.99999, "p99.999"),
];

/// A plot with lines.
pub(super) struct Plot {
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) lines: Vec<Line>,
    /// The labels of the horizontal axis.
    labels: Vec<(f64, String)>,
}

/// A line of a plot.
pub(super) struct Line {
    pub(super) label: String,
    color: RGBColor,
    points: Vec<(f64, f64)>,
    /// Whether to draw the points: each is a measured figure, not one of many on a curve.
    is_dotted: bool,
}

impl Line {
    /// Whether it has no points.
    pub(super) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Returns its colour in CSS.
    pub(super) fn css_color(&self) -> String {
        let RGBColor(red, green, blue) = self.color;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }
}

/// Returns the plot of frames per second by viewers.
pub(super) fn frame_rates(steps: &[Outcome]) -> Plot {
    let line = |label, color, figure: fn(&Outcome) -> Option<f64>| {
        against_viewers(steps, label, color, figure)
    };
    Plot {
        title: "Frames per second",
        unit: "fps by viewers",
        lines: vec![
            line("median", BLUE, |step| Some(step.steady.fps?.median)),
            line("min", ORANGE, |step| Some(step.steady.fps?.min)),
        ],
        labels: viewer_labels(steps),
    }
}

/// Returns the plot of the server's CPU time per frame by viewers.
pub(super) fn processor_times(steps: &[Outcome]) -> Plot {
    Plot {
        title: "CPU per frame",
        unit: "µs by viewers",
        lines: vec![
            against_viewers(
                steps,
                "server with its children",
                ORANGE,
                Outcome::family_cpu_per_part_us,
            ),
            against_viewers(steps, "server", BLUE, Outcome::cpu_per_part_us),
        ],
        labels: viewer_labels(steps),
    }
}

/// Returns the plot of the server's resident memory by viewers.
pub(super) fn memory(steps: &[Outcome]) -> Plot {
    let mebibytes = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    Plot {
        title: "Server memory",
        unit: "MiB by viewers",
        lines: vec![against_viewers(steps, "server", BLUE, |step| {
            Some(mebibytes(step.server?.own.rss_end_bytes))
        })],
        labels: viewer_labels(steps),
    }
}

/// Returns the plot of latency by percentile, with a line per step.
pub(super) fn latencies(steps: &[Outcome]) -> Plot {
    let curves = steps
        .iter()
        .enumerate()
        .filter(|(_, step)| !step.steady.latency_curve.is_empty());
    let lines: Vec<Line> = curves
        .map(|(index, step)| Line {
            label: format!("{} viewers", grouped(step.plan.viewers as u64)),
            color: step_color(index, steps.len()),
            points: step.steady.latency_curve.iter().map(on_nines).collect(),
            is_dotted: false,
        })
        .collect();
    let furthest = furthest(&lines, |point| point.0);
    let named = NAMED_QUANTILES.map(|(quantile, name)| (nines(quantile), name.to_owned()));
    Plot {
        title: "Latency",
        unit: "ms by percentile",
        labels: named
            .into_iter()
            .filter(|(at, _)| *at <= furthest)
            .collect(),
        lines,
    }
}

fn against_viewers(
    steps: &[Outcome],
    label: &str,
    color: RGBColor,
    figure: impl Fn(&Outcome) -> Option<f64>,
) -> Line {
    let point = |step: &Outcome| Some((step.plan.viewers as f64, figure(step)?));
    let mut points: Vec<(f64, f64)> = steps.iter().filter_map(point).collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    Line {
        label: label.to_owned(),
        color,
        points,
        is_dotted: true,
    }
}

/// Returns the numbers of viewers as labels, larger ones first, as far as there is room.
fn viewer_labels(steps: &[Outcome]) -> Vec<(f64, String)> {
    let mut viewers: Vec<f64> = steps
        .iter()
        .map(|step| step.plan.viewers as f64)
        .chain([0.0])
        .collect();
    viewers.sort_by(|one, other| other.total_cmp(one));
    let distance = LABEL_DISTANCE * viewers.first().copied().unwrap_or(0.0);
    viewers.dedup_by(|next, kept| *kept - *next < distance);
    viewers
        .into_iter()
        .map(|viewers| (viewers, grouped(viewers as u64)))
        .collect()
}

/// Returns the colour of a step, from green through blue to red.
fn step_color(index: usize, steps: usize) -> RGBColor {
    let place = index as f64 / steps.saturating_sub(1).max(1) as f64;
    let (red, green, blue) = HSLColor(0.48 + 0.48 * place, 0.58, 0.52)
        .to_backend_color()
        .rgb;
    RGBColor(red, green, blue)
}

/// Maps a quantile to an axis on which each further nine has the same length: 0.9 is 1, 0.99 is 2.
fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).log10()
}

fn on_nines(point: &CurvePoint) -> (f64, f64) {
    (nines(point.quantile), point.milliseconds)
}

fn furthest(lines: &[Line], along: fn(&(f64, f64)) -> f64) -> f64 {
    lines
        .iter()
        .flat_map(|line| &line.points)
        .map(along)
        .fold(0.0, f64::max)
}

/// An axis from 0 with given labels.
struct Axis<'a> {
    end: f64,
    labels: &'a [(f64, String)],
}

impl Ranged for Axis<'_> {
    type FormatOption = plotters::coord::ranged1d::NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        start + (f64::from(end - start) * value / self.end).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.labels.iter().map(|(at, _)| *at).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        0.0..self.end
    }
}

impl plotters::coord::ranged1d::ValueFormatter<f64> for Axis<'_> {
    fn format_ext(&self, value: &f64) -> String {
        let label = self.labels.iter().find(|(at, _)| at == value);
        label.map(|(_, name)| name.clone()).unwrap_or_default()
    }
}

/// Draws the plot as an `svg` element.
pub(super) fn draw(plot: &Plot, is_alone: bool) -> Result<String, PlotError> {
    let above_zero = |end: f64| if end > 0.0 { end } else { 1.0 };
    let (right, top) = (
        furthest(&plot.lines, |point| point.0),
        furthest(&plot.lines, |point| point.1),
    );
    let x = Axis {
        end: above_zero(right * 1.03),
        labels: &plot.labels,
    };
    let y = 0.0..above_zero(top * 1.1);
    let mut svg = String::new();
    let width = if is_alone { WIDTH_ALONE } else { WIDTH };
    let area = SVGBackend::with_string(&mut svg, (width, HEIGHT)).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(30)
        .y_label_area_size(52)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .max_light_lines(0)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(("sans-serif", 16))
        .y_labels(5)
        .y_label_formatter(&|value| format!("{}", (value * 1000.0).round() / 1000.0))
        .draw()?;
    for line in &plot.lines {
        chart.draw_series(LineSeries::new(
            line.points.iter().copied(),
            line.color.stroke_width(2),
        ))?;
        if line.is_dotted {
            let dot = |point: &(f64, f64)| Circle::new(*point, 4, line.color.filled());
            chart.draw_series(line.points.iter().map(dot))?;
        }
    }
    area.present()?;
    drop(chart);
    drop(area);
    Ok(svg)
}
