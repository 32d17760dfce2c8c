//! Measures the parsers: request heads, and the JPEGs that a driver writes.
//!
//! A driver's output is decoded as in the server: each read is appended to a buffer, and whole
//! frames are removed from its start. The time includes the copy into that buffer.
//!
//! `cargo bench --bench parse`, or `-- request` for the groups whose name starts with it.

use std::hint::black_box;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use framecast::wire::http::Request;
use framecast::wire::jpeg::{self, FRAME_BYTES_MAX, Splitter};
use framecast::wire::metadata::WallTime;
use framecast::wire::multipart::{EncodedPart, Framing, PartDecoder, preamble};
use framecast::wire::part::{Part, Rejected};

#[path = "../shared/pictures.rs"]
mod pictures;

/// Typical bytes of a picture of 640x480, and of one of 1280x720.
const FRAME_BYTES: [usize; 2] = [15_000, 84_000];

/// Frames decoded per iteration.
const FRAMES: u8 = 20;

/// Bytes of a small read: one page of a pipe.
const SMALL_READ_BYTES: usize = 4096;

const BROWSER: &[u8] = b"GET /video_feed HTTP/1.1\r\n\
    Host: camera.example.org:8080\r\n\
    Connection: keep-alive\r\n\
    sec-ch-ua-platform: \"Linux\"\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 \
    Safari/537.36\r\n\
    sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\n\
    sec-ch-ua-mobile: ?0\r\n\
    Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Sec-Fetch-Mode: no-cors\r\n\
    Sec-Fetch-Dest: image\r\n\
    Referer: http://camera.example.org:8080/\r\n\
    Accept-Encoding: gzip, deflate\r\n\
    Accept-Language: en-GB,en;q=0.9\r\n\r\n";

const CURL: &[u8] = b"GET /snapshot HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n";

/// A refused request: it has a body.
const UPLOAD: &[u8] =
    b"GET /snapshot HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\
    Content-Type: application/json\r\nContent-Length: 1234\r\n\r\n";

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    for (name, head, is_refused) in [
        ("browser", BROWSER, false),
        ("curl", CURL, false),
        ("refused", UPLOAD, true),
    ] {
        assert_eq!(Request::parse(head).is_err(), is_refused, "{name}");
        group.throughput(Throughput::Bytes(head.len() as u64));
        group.bench_function(BenchmarkId::new(name, "whole"), |bencher| {
            bencher.iter(|| Request::parse(black_box(head)));
        });
        // A peer that sends one byte at a time: each call receives the bytes so far.
        group.bench_function(BenchmarkId::new(name, "byte by byte"), |bencher| {
            bencher.iter(|| {
                let mut results =
                    (1..=head.len()).map(|length| Request::parse(black_box(&head[..length])));
                results.find(|result| !matches!(result, Ok(None)))
            });
        });
    }
}

fn check(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("jpeg::check");
    for bytes in FRAME_BYTES {
        let jpeg = picture(0, bytes);
        assert!(jpeg::check(&jpeg).is_ok());
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::from_parameter(bytes), |bencher| {
            bencher.iter(|| jpeg::check(black_box(&jpeg)));
        });
    }
}

fn splitter(criterion: &mut Criterion) {
    let stream = |bytes| (0..FRAMES).map(|number| picture(number, bytes)).collect();
    decode(criterion, "Splitter", stream, || {
        let mut splitter = Splitter::new(FRAME_BYTES_MAX);
        move |received| splitter.decode(received)
    });
}

fn part_decoder(criterion: &mut Criterion) {
    let part = |number: u8, bytes| {
        let captured_wall = WallTime::nearest(Duration::from_secs(1_700_000_000));
        EncodedPart::encode(
            "frame",
            number.into(),
            captured_wall,
            &picture(number, bytes),
        )
        .framed(Framing::Length)
    };
    let stream = |bytes| (1..=FRAMES).map(|number| part(number, bytes)).collect();
    decode(criterion, "PartDecoder", stream, || {
        let mut decoder = PartDecoder::new(None, FRAME_BYTES_MAX);
        let mut preamble_bytes = BytesMut::from(&preamble("frame", Framing::Length)[..]);
        let _ = decoder.decode(&mut preamble_bytes);
        move |received| decoder.decode(received)
    });
}

/// Decodes the same frames repeatedly: once with one frame per read, once with small reads.
fn decode<D>(
    criterion: &mut Criterion,
    name: &str,
    stream: impl Fn(usize) -> Vec<Bytes>,
    decoder: impl Fn() -> D,
) where
    D: FnMut(&mut BytesMut) -> Result<Option<Part>, Rejected>,
{
    let mut group = criterion.benchmark_group(name);
    for bytes in FRAME_BYTES {
        let frames = stream(bytes);
        let whole: Vec<&[u8]> = frames.iter().map(|frame| &frame[..]).collect();
        let joined = frames.concat();
        let small: Vec<&[u8]> = joined.chunks(SMALL_READ_BYTES).collect();
        group.throughput(Throughput::Bytes(joined.len() as u64));
        for (cut, reads) in [("one frame per read", whole), ("4 KiB per read", small)] {
            let mut decoder = decoder();
            let mut received = BytesMut::new();
            assert_eq!(
                feed(&mut decoder, &mut received, &reads),
                usize::from(FRAMES)
            );
            group.bench_function(BenchmarkId::new(cut, bytes), |bencher| {
                bencher.iter(|| feed(&mut decoder, &mut received, black_box(&reads)));
            });
        }
    }
}

/// Feeds reads to a decoder and returns the number of frames decoded.
fn feed<D>(decoder: &mut D, received: &mut BytesMut, reads: &[&[u8]]) -> usize
where
    D: FnMut(&mut BytesMut) -> Result<Option<Part>, Rejected>,
{
    let mut frames = 0;
    for read in reads {
        received.extend_from_slice(read);
        while let Ok(Some(part)) = decoder(received) {
            black_box(part);
            frames += 1;
        }
    }
    frames
}

fn picture(number: u8, bytes: usize) -> Bytes {
    pictures::jpeg(number, bytes)
        .expect("FRAME_BYTES are valid sizes")
        .into()
}

criterion_group! {
    name = parse;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = requests, check, splitter, part_decoder
}
criterion_main!(parse);
