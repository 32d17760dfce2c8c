//! The table of `framecast cameras`.

use std::fmt::Write;
use std::io;

use super::abi;
use super::camera::{self, Camera};
use super::error::CameraError;
use super::offer::{PixelFormat, Rates, Size, Sizes, rate};

const HEADINGS: [&str; COLUMNS] = ["DEVICE", "NAME", "FORMAT", "SIZE", "FPS"];
const COLUMNS: usize = 5;

/// Why there is nothing to list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// This machine has no camera.
    #[error("no camera found; plug one in, or try the test card: framecast --camera pattern")]
    NoCamera,
    /// There may be one, but it cannot be asked.
    #[error(transparent)]
    Camera(#[from] CameraError),
}

/// The cameras of this machine as an aligned table, with their names, formats, sizes and rates. A
/// format that framecast cannot show is marked. What cannot be opened is told in a line of its own
/// on standard error.
///
/// # Errors
/// There is no camera, or none that can be opened.
pub fn table() -> Result<String, ListError> {
    let (cameras, failures) = camera::all();
    if cameras.is_empty() {
        return Err(failures
            .into_iter()
            .next()
            .map_or(ListError::NoCamera, ListError::Camera));
    }
    // Standard error may be closed, and the table is what was asked for.
    failures.iter().for_each(|failure| {
        drop(io::Write::write_fmt(
            &mut io::stderr(),
            format_args!("{failure}\n"),
        ))
    });
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    cameras
        .iter()
        .for_each(|camera| rows.extend(rows_of(camera)));
    Ok(align(&rows))
}

/// A row for each size of each format. What a row shares with the one above it is left blank.
fn rows_of(camera: &Camera) -> Vec<[String; COLUMNS]> {
    let mut rows = Vec::new();
    let mut head = [camera.path.display().to_string(), camera.name.clone()];
    for fourcc in camera.formats() {
        let mut name = abi::format_name(fourcc);
        if PixelFormat::of(fourcc).is_none() {
            name.push_str(" (not shown)");
        }
        let mut sizes: Vec<_> = camera.sizes(fourcc).into_iter().map(Some).collect();
        if sizes.is_empty() {
            sizes.push(None);
        }
        for size in sizes {
            let [device, card] = std::mem::take(&mut head);
            let rates = size
                .map(|size| rates(camera, fourcc, &size))
                .unwrap_or_default();
            rows.push([
                device,
                card,
                std::mem::take(&mut name),
                size.map_or("any".to_owned(), words),
                rates,
            ]);
        }
    }
    if rows.is_empty() {
        let [device, card] = head;
        rows.push([
            device,
            card,
            "none".to_owned(),
            String::new(),
            String::new(),
        ]);
    }
    rows
}

/// `1280x720`, or `32x32 to 2592x1944`.
fn words(sizes: Sizes) -> String {
    let least = Size {
        width: sizes.width.least,
        height: sizes.height.least,
    };
    let greatest = Size {
        width: sizes.width.greatest,
        height: sizes.height.greatest,
    };
    if least == greatest {
        least.to_string()
    } else {
        format!("{least} to {greatest}")
    }
}

/// The rates of the greatest of `sizes`: `30, 15`, or `1 to 90`.
fn rates(camera: &Camera, fourcc: u32, sizes: &Sizes) -> String {
    let greatest = Size {
        width: sizes.width.greatest,
        height: sizes.height.greatest,
    };
    let words = |Rates { slowest, fastest }| {
        if slowest == fastest {
            rate(fastest)
        } else {
            format!("{} to {}", rate(slowest), rate(fastest))
        }
    };
    camera
        .rates(fourcc, greatest)
        .into_iter()
        .map(words)
        .collect::<Vec<_>>()
        .join(", ")
}

fn align(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        widths
            .iter_mut()
            .zip(row)
            .for_each(|(width, cell)| *width = (*width).max(cell.chars().count()));
    }
    let mut table = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let Ok(()) = writeln!(table, "{}", line.trim_end()) else {
            continue;
        };
    }
    table
}
