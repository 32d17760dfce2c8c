//! Measures the JPEG encoding of a camera's raw picture, relative to the encoder's own cost:
//! encoding the same picture in the encoder's input format (packed, full range) at the same chroma
//! sampling.
//!
//! Both run alternately, so that other load on the machine affects both; the medians are compared.
//! `cargo bench --bench raw -- [FORMAT...]`

#[path = "../src/drivers/v4l2/abi.rs"]
#[allow(dead_code, reason = "the driver uses more of it")]
mod abi;
#[path = "../src/drivers/v4l2/color.rs"]
#[allow(dead_code, reason = "the driver uses more of it")]
mod color;
#[path = "../src/drivers/v4l2/format.rs"]
#[allow(dead_code, reason = "the driver uses more of it")]
mod format;
#[path = "../src/drivers/v4l2/tests/pack.rs"]
mod pack;
#[path = "../src/drivers/v4l2/raw.rs"]
#[allow(dead_code, reason = "the driver uses more of it")]
mod raw;

use std::hint::black_box;
use std::time::Duration;

use color::{Colors, Matrix};
use format::PixelFormat::{self, *};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use raw::Layout;
use rustix::time::{ClockId, clock_gettime};

const WIDTH: u16 = 1280;
const HEIGHT: u16 = 720;
const QUALITY: u8 = 80;
const ROUNDS: usize = 101;

fn main() {
    let selected: Vec<_> = std::env::args()
        .skip(1)
        .filter_map(|name| PixelFormat::from_name(&name))
        .collect();
    println!("{WIDTH}x{HEIGHT}, quality {QUALITY}, CPU time in ms, median of {ROUNDS}:");
    println!(
        "{:8}  {:22}  {:>8}  {:>8}  {:>5}",
        "format", "colors", "ours", "encoder", "ratio"
    );
    for format in PixelFormat::ALL
        .into_iter()
        .filter(|format| !format.is_jpeg())
    {
        if !selected.is_empty() && !selected.contains(&format) {
            continue;
        }
        compare(format, "limited range", pack::LIMITED);
        if format != Grey {
            compare(format, "full range", pack::FULL);
        }
        if matches!(format, Yuyv | Nv12) {
            compare(
                format,
                "limited range, BT.709",
                Colors {
                    full: false,
                    matrix: Matrix::Bt709,
                },
            );
        }
    }
}

fn compare(format: PixelFormat, name: &str, colors: Colors) {
    let (width, height) = (usize::from(WIDTH), usize::from(HEIGHT));
    let raw = pack::pack(format, width, height, pack::tight(format, width), |x, y| {
        pixel(x, y, colors.full)
    });
    let packed: Vec<u8> = match format {
        Grey => (0..height)
            .flat_map(|y| (0..width).map(move |x| pixel(x, y, true)[0]))
            .collect(),
        _ => (0..height)
            .flat_map(|y| (0..width).flat_map(move |x| pixel(x, y, true)))
            .collect(),
    };
    let layout = Layout::new(format, WIDTH.into(), HEIGHT.into(), 0, colors)
        .expect("width and height are not 0");
    let (mut ours, mut encoder) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(cpu_time(|| {
            layout
                .encode(black_box(&raw), QUALITY)
                .expect("the picture is complete")
        }));
        encoder.push(cpu_time(|| encode(format, black_box(&packed))));
    }
    let [ours, encoder] = [ours, encoder].map(|times| median(times).as_secs_f64() * 1e3);
    println!(
        "{:8}  {name:22}  {ours:8.3}  {encoder:8.3}  {:5.2}",
        format.name(),
        ours / encoder
    );
}

fn encode(format: PixelFormat, picture: &[u8]) -> Vec<u8> {
    let mut jpeg = Vec::with_capacity(picture.len() / 8);
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    let (sampling, colors) = match format {
        Grey => (SamplingFactor::F_1_1, ColorType::Luma),
        Yuyv | Uyvy | Yvyu | Vyuy | Nv16 | Nv61 | Yuv422p => {
            (SamplingFactor::F_2_1, ColorType::Ycbcr)
        }
        _ if format.is_rgb() => (SamplingFactor::F_2_2, ColorType::Rgb),
        _ => (SamplingFactor::F_2_2, ColorType::Ycbcr),
    };
    encoder.set_sampling_factor(sampling);
    encoder
        .encode(picture, WIDTH, HEIGHT, colors)
        .expect("the picture is complete");
    jpeg
}

/// Returns a pixel of gradients, edges and noise: Y', Cb and Cr, or red, green and blue.
fn pixel(x: usize, y: usize, full: bool) -> [u8; 3] {
    let noise = (x * 7919 + y * 104_729).wrapping_mul(0x9e37_79b9) >> 29 & 7;
    let edge = if (x / 96 + y / 72).is_multiple_of(2) {
        40
    } else {
        0
    };
    let luma = (40 + x / 10 + edge + noise) as u8;
    let (blue, red) = ((64 + (x & !1) / 12) as u8, (64 + (y & !1) / 8) as u8);
    if full {
        [luma, blue, red]
    } else {
        [
            limited(luma, 0, 219, 16),
            limited(blue, 128, 224, 128),
            limited(red, 128, 224, 128),
        ]
    }
}

fn limited(value: u8, zero: i32, steps: i32, limited_zero: i32) -> u8 {
    ((i32::from(value) - zero) * steps / 255 + limited_zero) as u8
}

fn cpu_time<T>(work: impl FnOnce() -> T) -> Duration {
    let now = || {
        Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("CPU time is not negative")
    };
    let start = now();
    black_box(work());
    now() - start
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
