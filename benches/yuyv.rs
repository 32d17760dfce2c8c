//! What it costs to make a JPEG of a camera's YUYV picture, beside the encoder's own cost: encoding the same picture
//! when it is already what the encoder wants, with full range and three bytes a pixel.
//!
//! Both take turns, so that whatever else the machine does meets both; the medians are compared.
//! `cargo bench --bench yuyv`

use std::hint::black_box;
use std::time::Duration;

use framecast::capture::v4l2::offer::PixelFormat;
use framecast::capture::v4l2::raw::Layout;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use rustix::time::{ClockId, clock_gettime};

const WIDTH: u16 = 1280;
const HEIGHT: u16 = 720;
const QUALITY: u8 = 80;
const ROUNDS: usize = 101;

fn main() {
    let full = picture(false);
    let yuyv = picture(true);
    let layout = Layout::new(PixelFormat::Yuyv, WIDTH.into(), HEIGHT.into(), 0, false).expect("it has a size");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(cpu_time(|| layout.encode(black_box(&yuyv), QUALITY).expect("it is whole")));
        theirs.push(cpu_time(|| encode(black_box(&full))));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("{WIDTH}x{HEIGHT}, quality {QUALITY}, CPU time, median of {ROUNDS}:");
    println!("from YUYV, limited range        {:7.3} ms", ours.as_secs_f64() * 1e3);
    println!("encoder alone, YCbCr full range {:7.3} ms", theirs.as_secs_f64() * 1e3);
    println!("ratio                           {:7.3}", ours.as_secs_f64() / theirs.as_secs_f64());
}

fn encode(ycbcr: &[u8]) -> Vec<u8> {
    let mut jpeg = Vec::with_capacity(ycbcr.len() / 8);
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_1);
    encoder.encode(ycbcr, WIDTH, HEIGHT, ColorType::Ycbcr).expect("it is whole");
    jpeg
}

/// Slopes, edges and noise, as YUYV of limited range or with three bytes a pixel and full range.
fn picture(yuyv: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut noise = 1_u32;
    for y in 0..u32::from(HEIGHT) {
        for x in 0..u32::from(WIDTH) {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let edge = if (x / 96 + y / 72) % 2 == 0 { 40 } else { 0 };
            let luma = 40 + x / 10 + edge + (noise >> 29);
            let (blue, red) = (64 + (x & !1) / 12, 64 + y / 8);
            let (luma, blue, red) = (luma as u8, blue as u8, red as u8);
            match yuyv {
                true => bytes
                    .extend([limited(luma, 0, 219, 16), limited(if x % 2 == 0 { blue } else { red }, 128, 224, 128)]),
                false => bytes.extend([luma, blue, red]),
            }
        }
    }
    bytes
}

fn limited(value: u8, zero: i32, steps: i32, limited_zero: i32) -> u8 {
    ((i32::from(value) - zero) * steps / 255 + limited_zero) as u8
}

fn cpu_time<T>(work: impl FnOnce() -> T) -> Duration {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("a clock that runs forward");
    let start = now();
    black_box(work());
    now() - start
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
