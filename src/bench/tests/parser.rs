//! A single parser, fed in pieces and byte by byte.

use std::time::Duration;

use crate::bench::answer::Refusal;
use crate::bench::parser::{Arrival, Check, Order, Parser, Tally};

use super::tiny_server::{jpeg, part, stream};

const NOW: Duration = Duration::from_secs(1_000);

/// A part without a length, as Flask's users write it.
fn part_without_length(sequence: u64) -> Vec<u8> {
    let header = b"Content-Type: image/jpeg\r\n\r\n";
    [&header[..], &jpeg(sequence), b"\r\n--frame\r\n"].concat()
}

/// Feeds a stream in pieces, throwing away unseen what may be thrown away if `discard` says so.
fn watch(pieces: &[&[u8]], check: Check, discard: bool) -> (Tally, Vec<Arrival>) {
    let mut parser = Parser::new(check);
    let mut arrivals = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let skippable = if discard {
                parser.skippable().min(rest.len())
            } else {
                0
            };
            parser.skip(skippable);
            rest = &rest[skippable..];
            // What may be skipped is known once a header has been seen, so a discarding viewer
            // reads little at a time.
            let read = if discard {
                rest.len().min(3)
            } else {
                rest.len()
            };
            parser
                .receive(&rest[..read], NOW, &mut |arrival| arrivals.push(arrival))
                .unwrap();
            rest = &rest[read..];
        }
    }
    (*parser.tally(), arrivals)
}

fn tally_of(stream: &[u8]) -> Tally {
    watch(&[stream], Check::Ends, false).0
}

/// Cuts a stream in two at every place, and into single bytes; every way must give the same counts
/// and arrivals.
fn watch_every_split(stream: &[u8]) -> (Tally, Vec<Arrival>) {
    let whole = watch(&[stream], Check::Bytes, false);
    for split in 0..=stream.len() {
        let (first, second) = stream.split_at(split);
        assert_eq!(
            watch(&[first, second], Check::Bytes, false),
            whole,
            "split at {split}"
        );
        let (tally, arrivals) = watch(&[first, second], Check::Ends, true);
        assert_eq!(
            (tally, arrivals.len()),
            (whole.0, whole.1.len()),
            "discarded, split at {split}"
        );
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(watch(&bytes, Check::Bytes, false), whole, "byte by byte");
    whole
}

#[test]
fn valid_stream_counts_the_same_for_every_split() {
    let stream = stream(&[part(1), part(2), part(2), part(5), part(4)]);
    let (tally, arrivals) = watch_every_split(&stream);
    let bytes = stream.len() as u64;
    assert_eq!(
        tally,
        Tally {
            frames: 3,
            repeated: 1,
            out_of_order: 1,
            damaged: 0,
            skipped: Some(2),
            bytes
        }
    );
    let novelties: Vec<Order> = arrivals
        .iter()
        .map(|arrival| arrival.order_change)
        .collect();
    use Order::{Decreased, First, New, Repeat};
    assert_eq!(novelties, [First, New, Repeat, New, Decreased]);
    assert_eq!(
        arrivals[3].captured_at,
        Some(Duration::from_millis(999_500))
    );
    assert_eq!(arrivals[1].checksum, arrivals[2].checksum);
    assert_ne!(arrivals[0].checksum, arrivals[1].checksum);
}

#[test]
fn stream_without_lengths_counts_the_same_for_every_split() {
    let stream = stream(&[
        part_without_length(1),
        part_without_length(1),
        part_without_length(2),
    ]);
    let (tally, arrivals) = watch_every_split(&stream);
    assert_eq!((tally.frames, tally.damaged), (3, 0));
    // The same bytes as with a length, so the same sums: neither way loses or adds one.
    let sized = watch(&[&self::stream(&[part(1), part(2)])], Check::Bytes, false).1;
    assert_eq!(arrivals[0].checksum, sized[0].checksum);
    assert_eq!(arrivals[2].checksum, sized[1].checksum);
}

#[test]
fn closing_delimiter_ends_the_count() {
    let mut stream = stream(&[part(1), part(2)]);
    stream.truncate(stream.len() - 2);
    stream.extend(b"--\r\n--frame\r\nnothing of this is a part");
    let (tally, _) = watch_every_split(&stream);
    assert_eq!((tally.frames, tally.damaged), (2, 0));
}

#[test]
fn missing_byte_damages_one_part_only() {
    let good = part(2);
    let body = good.len() - b"\r\n--frame\r\n".len() - jpeg(2).len();
    for dropped in body..body + jpeg(2).len() {
        let mut damaged = good.clone();
        damaged.remove(dropped);
        let stream = stream(&[part(1), damaged, part(3), part(4)]);
        let (tally, _) = watch_every_split(&stream);
        assert_eq!(
            (tally.frames, tally.damaged),
            (3, 1),
            "without byte {dropped}"
        );
    }
}

#[test]
fn additional_byte_is_damaged() {
    let mut damaged = part(2);
    damaged.insert(damaged.len() - 20, b'x');
    let (tally, _) = watch_every_split(&stream(&[part(1), damaged, part(3)]));
    assert_eq!((tally.frames, tally.damaged), (2, 1));
}

#[test]
fn mixed_parts_are_damaged() {
    let (one, two) = (part(2), part(3));
    for cut in [one.len() / 2, one.len() - 15] {
        let mixed = [&one[..cut], &two[..], &one[cut..]].concat();
        let (tally, _) = watch_every_split(&stream(&[part(1), mixed, part(4), part(5)]));
        assert!(tally.damaged > 0, "mixed at {cut}");
        assert!(tally.frames >= 2, "mixed at {cut}");
    }
}

#[test]
fn body_without_jpeg_is_damaged() {
    for (from, to) in [
        (&b"\xff\xd8\r\n"[..], &b"\xff\xd7\r\n"[..]),
        (b"\xff\xd9\r\n--frame", b"\xff\xda\r\n--frame"),
    ] {
        for good in [part(2), part_without_length(2)] {
            let at = good
                .windows(from.len())
                .position(|window| window == from)
                .unwrap();
            let bad = [&good[..at], to, &good[at + from.len()..]].concat();
            let (tally, _) = watch_every_split(&stream(&[part(1), bad, part(3)]));
            assert_eq!((tally.frames, tally.damaged), (2, 1));
        }
    }
}

#[test]
fn invalid_header_is_damaged() {
    let bad = String::from_utf8_lossy(&part(2)).replace("Content-Length: ", "Content-Length: x");
    let (tally, _) = watch_every_split(&stream(&[part(1), bad.into_bytes(), part(3)]));
    assert_eq!((tally.frames, tally.damaged), (2, 1));
    let endless = [&b"A: "[..], &[b'a'; 5000], b"\r\n\r\n\r\n--frame\r\n"].concat();
    let tally = tally_of(&stream(&[part(1), endless, part(3)]));
    assert_eq!(tally.frames + tally.damaged, 3);
}

#[test]
fn checksum_differs_if_the_middle_of_a_body_differs() {
    let mut other = part(1);
    let middle = other.len() - 18;
    other[middle] ^= 1;
    let sums = |part: &[u8]| watch(&[&stream(&[part.to_vec()])], Check::Bytes, false).1[0].checksum;
    assert!(sums(&part(1)).is_some());
    assert_ne!(sums(&part(1)), sums(&other));
}

#[test]
fn response_that_is_no_stream_is_an_error() {
    let refusal = |head: &[u8]| {
        Parser::new(Check::Ends)
            .receive(head, NOW, &mut |_| {})
            .unwrap_err()
    };
    assert_eq!(
        refusal(b"HTTP/1.1 404 Not Found\r\n\r\n"),
        Refusal::Status(404)
    );
    assert_eq!(refusal(&[b'x'; 20_000]), Refusal::NotHttp);
}
