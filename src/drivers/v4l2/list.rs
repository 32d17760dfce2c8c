//! The table of `framecast cameras`.

use std::fmt::Write;

use super::abi;
use super::camera::{self, Camera};
use super::error::CameraError;
use super::modes::{FrameRates, FrameSizes, PixelFormat, Size, rate};
use crate::drivers::stderr::log_line;

const HEADINGS: [&str; COLUMNS] = ["DEVICE", "NAME", "FORMAT", "SIZE", "FPS"];
const COLUMNS: usize = 5;

/// Why no camera is listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// This machine has no camera.
    #[error("no camera found; connect one, or use the test card: framecast --camera pattern")]
    NoCamera,
    /// A device may be a camera, but cannot be used.
    #[error(transparent)]
    Camera(#[from] CameraError),
}

/// Returns an aligned table of the cameras of this machine with their names, formats, frame sizes
/// and rates. Formats that framecast does not support are marked. Logs the devices that cannot be
/// opened.
///
/// # Errors
/// There is no camera, or none can be opened.
pub fn table() -> Result<String, ListError> {
    let (cameras, failures) = camera::all();
    if cameras.is_empty() {
        return Err(failures
            .into_iter()
            .next()
            .map_or(ListError::NoCamera, ListError::Camera));
    }
    failures.iter().for_each(log_line);
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    cameras
        .iter()
        .for_each(|camera| rows.extend(rows_of(camera)));
    Ok(align(&rows))
}

/// One row per size of each format. A cell equal to the one above it is blank.
fn rows_of(camera: &Camera) -> Vec<[String; COLUMNS]> {
    let mut rows = Vec::new();
    let mut head = [camera.path.display().to_string(), camera.name.clone()];
    for fourcc in camera.formats() {
        let mut name = abi::format_name(fourcc);
        if PixelFormat::from_fourcc(fourcc).is_none() {
            name.push_str(" (unsupported)");
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
                size.map_or("any".to_owned(), size_range),
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
fn size_range(sizes: FrameSizes) -> String {
    let min = Size {
        width: sizes.width.min,
        height: sizes.height.min,
    };
    let max = Size {
        width: sizes.width.max,
        height: sizes.height.max,
    };
    if min == max {
        min.to_string()
    } else {
        format!("{min} to {max}")
    }
}

/// The rates of the largest of `sizes`: `30, 15`, or `1 to 90`.
fn rates(camera: &Camera, fourcc: u32, sizes: &FrameSizes) -> String {
    let max = Size {
        width: sizes.width.max,
        height: sizes.height.max,
    };
    let rate_range = |FrameRates { min, max }| {
        if min == max {
            rate(max)
        } else {
            format!("{} to {}", rate(min), rate(max))
        }
    };
    camera
        .rates(fourcc, max)
        .into_iter()
        .map(rate_range)
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
