//! JPEGs to test with, made by a real encoder.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

/// How wide and high every picture here is: neither fills its last block.
pub(crate) const SIZE: (u16, u16) = (21, 13);

/// Encodes a picture that depends on `seed`, as `setup` asks.
fn encode(seed: u8, color: ColorType, setup: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let channels = if color == ColorType::Luma { 1 } else { 3 };
    let (width, height) = SIZE;
    let count = usize::from(width) * usize::from(height) * channels;
    let pixels: Vec<u8> = (0..count)
        .map(|n| (n as u8).wrapping_mul(31) ^ seed.wrapping_mul(97))
        .collect();
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 80);
    setup(&mut encoder);
    encoder.encode(&pixels, width, height, color).unwrap();
    jpeg
}

/// A baseline picture with the standard tables; another one for every seed.
pub(crate) fn frame(seed: u8) -> Vec<u8> {
    encode(seed, ColorType::Rgb, |encoder| {
        encoder.set_sampling_factor(SamplingFactor::R_4_2_0)
    })
}

/// A picture with a whole JPEG in its first APP1 segment, as cameras write it.
pub(crate) fn frame_with_thumbnail(seed: u8) -> Vec<u8> {
    let thumbnail = [b"Exif\0\0".as_slice(), &frame(seed.wrapping_add(1))].concat();
    encode(seed, ColorType::Rgb, |encoder| {
        encoder.add_app_segment(1, thumbnail).unwrap()
    })
}

/// A picture that lacks its Huffman tables, as UVC cameras write it.
pub(crate) fn frame_without_tables(seed: u8) -> Vec<u8> {
    without_tables(&frame(seed))
}

/// Pictures of every kind the encoder has, with the standard tables.
pub(crate) fn baseline_kinds() -> Vec<(&'static str, Vec<u8>)> {
    let sampled = |factor| {
        encode(7, ColorType::Rgb, |encoder| {
            encoder.set_sampling_factor(factor)
        })
    };
    vec![
        ("4:2:0", sampled(SamplingFactor::R_4_2_0)),
        ("4:2:2", sampled(SamplingFactor::R_4_2_2)),
        ("4:4:4", sampled(SamplingFactor::R_4_4_4)),
        ("grey", encode(7, ColorType::Luma, |_| ())),
        (
            "restarts",
            encode(7, ColorType::Rgb, |encoder| encoder.set_restart_interval(1)),
        ),
        ("thumbnail", frame_with_thumbnail(7)),
    ]
}

/// Pictures of every kind the encoder has.
pub(crate) fn kinds() -> Vec<(&'static str, Vec<u8>)> {
    let progressive = encode(7, ColorType::Rgb, |encoder| encoder.set_progressive(true));
    let optimized = encode(7, ColorType::Rgb, |encoder| {
        encoder.set_optimized_huffman_tables(true)
    });
    let mut kinds = baseline_kinds();
    kinds.extend([("progressive", progressive), ("optimized", optimized)]);
    kinds
}

/// The segments before the first scan, as (code, range with the marker).
pub(crate) fn segments(jpeg: &[u8]) -> Vec<(u8, std::ops::Range<usize>)> {
    let mut segments = Vec::new();
    let mut at = 2;
    loop {
        let code = jpeg[at + 1];
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        segments.push((code, at..end));
        if code == 0xda {
            return segments;
        }
        at = end;
    }
}

/// Where the first segment with this marker code is in `jpeg`.
pub(crate) fn segment(jpeg: &[u8], code: u8) -> std::ops::Range<usize> {
    let found = segments(jpeg).into_iter().find(|(found, _)| *found == code);
    found.unwrap().1
}

/// `jpeg` without the Huffman tables before its first scan.
pub(crate) fn without_tables(jpeg: &[u8]) -> Vec<u8> {
    let mut stripped = jpeg.to_vec();
    for (code, range) in segments(jpeg).into_iter().rev() {
        if code == 0xc4 {
            stripped.drain(range);
        }
    }
    stripped
}
