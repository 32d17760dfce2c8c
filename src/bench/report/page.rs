//! The layout and the text of the page.

use crate::bench::outcome::Outcome;
use crate::bench::terms;
use crate::bench::verdict::{self, grouped};

use super::plot::{self, Plot, PlotError};
use super::{Setting, escape, strip, tables};

/// Returns the page for these steps, at least one.
///
/// # Errors
/// A plot could not be drawn.
pub fn page(steps: &[Outcome], setting: &Setting) -> Result<String, PlotError> {
    let url = steps
        .first()
        .map(|step| escape(&step.plan.url.to_string()))
        .unwrap_or_default();
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{url}: framecast bench</title>\n<style>\n{style}</style>\n</head>\n<body>\n\
         {header}<main>\n{tiles}{plots}{strips}{tables}{legend}</main>\n{footer}</body>\n</html>\n",
        style = include_str!("style.css"),
        header = header(steps, &url),
        tiles = tiles(steps),
        plots = plots(steps)?,
        strips = strips(steps),
        tables = all_tables(steps),
        legend = legend(steps),
        footer = footer(setting),
    ))
}

fn header(steps: &[Outcome], url: &str) -> String {
    let faults: Vec<String> = steps.iter().filter_map(verdict::faults).collect();
    let class = match faults.is_empty() {
        true if verdict::starved(steps).is_none() => "good",
        true => "fair",
        false => "bad",
    };
    let fault = |what: &String| format!("<p class=\"fault\">{}</p>\n", escape(what));
    let doubt = |what: String| format!("<p>{}</p>\n", escape(&what));
    let remarks = faults
        .iter()
        .map(fault)
        .chain(verdict::warning(steps).map(doubt))
        .collect::<String>();
    let headline = escape(&verdict::headline(steps));
    format!(
        "<header>\n<p class=\"url\">{url}</p>\n<h1 class=\"{class}\">{headline}</h1>\n{remarks}</header>\n"
    )
}

/// Returns the main figures of the step with most viewers.
fn tiles(steps: &[Outcome]) -> String {
    let Some(step) = steps.iter().max_by_key(|step| step.plan.viewers) else {
        return String::new();
    };
    let fps = step.steady.fps.unwrap_or_default();
    let latency = step.steady.latency;
    let damaged: u64 = step
        .groups()
        .iter()
        .map(|(_, group)| group.tally.damaged)
        .sum();
    let memory = step
        .server
        .map(|server| server.own.rss_end_bytes as f64 / (1024.0 * 1024.0));
    let time = |milliseconds: f64| (latency.count > 0).then(|| format!("{milliseconds:.1}"));
    let tiles = [
        ("viewers", Some(grouped(step.plan.viewers as u64)), ""),
        ("fps min", Some(format!("{:.2}", fps.min)), ""),
        ("damaged", Some(grouped(damaged)), "frames"),
        ("latency p50", time(latency.p50_ms), "ms"),
        ("latency p99", time(latency.p99_ms), "ms"),
        (
            "CPU per frame",
            step.cpu_per_part_us().map(|time| format!("{time:.2}")),
            "µs",
        ),
        (
            "server memory",
            memory.map(|memory| format!("{memory:.1}")),
            "MiB",
        ),
    ];
    let known = tiles
        .into_iter()
        .filter_map(|(name, figure, unit)| Some((name, figure?, unit)));
    let tile = |(name, figure, unit)| {
        format!(
            "<div class=\"tile\"><dt>{name}</dt><dd>{figure} <small>{unit}</small></dd></div>\n"
        )
    };
    format!(
        "<dl class=\"tiles\">\n{}</dl>\n",
        known.map(tile).collect::<String>()
    )
}

fn plots(steps: &[Outcome]) -> Result<String, PlotError> {
    let mut plots = Vec::new();
    // One step would be a point, not a line; the tiles contain its figures.
    if steps.len() > 1 {
        plots.push(plot::frame_rates(steps));
        plots.push(plot::processor_times(steps));
        plots.push(plot::memory(steps));
    }
    plots.push(plot::latencies(steps));
    plots.retain(|plot| plot.lines.iter().any(|line| !line.is_empty()));
    let figures = plots
        .iter()
        .map(|plot| figure(plot, plots.len() == 1))
        .collect::<Result<String, _>>()?;
    Ok(format!("<div class=\"plots\">\n{figures}</div>\n"))
}

fn figure(plot: &Plot, is_alone: bool) -> Result<String, PlotError> {
    let key = |line: &plot::Line| {
        format!(
            "<span><i style=\"background:{}\"></i>{}</span>",
            line.css_color(),
            escape(&line.label)
        )
    };
    Ok(format!(
        "<figure{}>\n<figcaption><h2>{}<small>{}</small></h2><p class=\"key\">{}</p></figcaption>\n{}</figure>\n",
        if is_alone { " class=\"alone\"" } else { "" },
        plot.title,
        plot.unit,
        plot.lines.iter().map(key).collect::<String>(),
        plot::draw(plot, is_alone)?,
    ))
}

fn strips(steps: &[Outcome]) -> String {
    let full_fps = verdict::full_fps(steps);
    let row = |step: &Outcome| {
        let per_bar = match strip::viewers_per_bar(step.steady.viewers) {
            1 => String::new(),
            several => format!("<small>{several} to a bar</small>"),
        };
        let viewers = grouped(step.steady.viewers as u64);
        format!(
            "<tr><th>{viewers}{per_bar}</th><td>{}</td></tr>\n",
            strip::draw(step, full_fps)
        )
    };
    let key = |(index, (_, name)): (usize, &(f64, &str))| {
        format!("<span><i class=\"level{index}\"></i>{name}</span>")
    };
    let watched = steps.iter().filter(|step| step.steady.viewers > 0);
    format!(
        "<section>\n<h2>Frame rate of each viewer<small>its share of {full_fps:.1} fps, in the order of joining; where \
         several share a bar, the lowest of them</small></h2>\n<p class=\"key\">{}</p>\n\
         <table class=\"strips\">\n{}</table>\n</section>\n",
        strip::LEVELS
            .iter()
            .enumerate()
            .map(key)
            .collect::<String>(),
        watched.map(row).collect::<String>(),
    )
}

fn all_tables(steps: &[Outcome]) -> String {
    format!(
        "<section>\n<h2>Figures</h2>\n{}<h3>Frames</h3>\n{}<h3>Times</h3>\n{}<h3>Processes</h3>\n{}</section>\n",
        tables::summary(steps),
        tables::deliveries(steps),
        tables::times(steps),
        tables::processes(steps),
    )
}

/// Returns the definitions of the terms.
fn legend(steps: &[Outcome]) -> String {
    let term =
        |(term, meaning): (&str, &str)| format!("<dt>{term}</dt><dd>{}</dd>\n", escape(meaning));
    let terms: String = terms::used_in(steps).map(term).collect();
    format!("<section>\n<h2>Terms</h2>\n<dl class=\"terms\">\n{terms}</dl>\n</section>\n")
}

fn footer(setting: &Setting) -> String {
    let Setting {
        command,
        machine,
        date,
    } = setting;
    format!(
        "<footer>\n<p><code>{}</code></p>\n<p>{}</p>\n<p>{}, framecast {}</p>\n</footer>\n",
        escape(command),
        escape(machine),
        escape(date),
        env!("CARGO_PKG_VERSION"),
    )
}
