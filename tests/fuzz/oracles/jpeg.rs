//! The oracle of JPEGs, one after another and alone.

use std::borrow::Cow;

use framecast::wire::jpeg::{
    JpegError, Repaired, Splitter, check, first, repair, with_standard_tables, without_thumbnails,
};
use framecast::wire::part::Repair;

use super::feed::{FRAME_BYTES_MAX, feed};
use super::parts::{bound, check_splits};
use super::sample::Sample;

/// The maximum number of times that a byte is examined: up to eight retries inside a damaged picture,
/// each of which searches a segment for start markers, and a failing one twice.
const LOOKS: usize = 30;

pub fn run(input: &[u8]) {
    let Some(sample) = Sample::read(input) else {
        return;
    };
    let bound = bound(sample.choice);
    let outcome = check_splits(|| Splitter::new(bound), &sample, LOOKS);
    assert!(
        outcome.left.len() < bound.max(2),
        "{} bytes are kept",
        outcome.left.len()
    );
    for part in outcome.parts().into_iter().take(4) {
        check_whole(&part.jpeg);
    }
    check_agreement(&sample.stream);
}

/// Checks that all functions agree on whether the bytes are a picture.
fn check_agreement(bytes: &[u8]) {
    match first(bytes) {
        Ok((picture, whole)) => {
            assert!(bytes.starts_with(whole));
            assert_eq!(check(whole), Ok(picture));
            let verdict = if whole.len() == bytes.len() {
                Ok(picture)
            } else {
                Err(JpegError::TrailingBytes)
            };
            assert_eq!(check(bytes), verdict);
            check_whole(whole);
        }
        Err(flaw) => {
            assert_eq!(check(bytes), Err(flaw));
            check_repair(bytes);
            // Neither makes a picture of other bytes, nor panics.
            assert!(check(&with_standard_tables(bytes)).is_err());
            without_thumbnails(bytes);
        }
    }
}

/// What is repaired is a whole picture that is, but for its end, in the bytes as it was.
fn check_repair(bytes: &[u8]) {
    let Ok(repaired) = repair(bytes) else { return };
    assert_eq!(check(&repaired.jpeg), Ok(repaired.picture));
    let (repair, data) = (
        repaired.repair.expect("it was flawed"),
        &repaired.jpeg[..repaired.jpeg.len() - 2],
    );
    let at = bytes
        .windows(data.len())
        .position(|window| window == data)
        .expect("it was there");
    assert!(at <= 4096 && (repair == Repair::EndMarker || at > 0));
}

/// Checks a valid picture: the splitter returns it unchanged, it is invalid without its end, and valid
/// with added tables and without thumbnails.
fn check_whole(jpeg: &[u8]) {
    let picture = check(jpeg).expect("it passed the check");
    assert_eq!(
        repair(jpeg),
        Ok(Repaired {
            jpeg: Cow::Borrowed(jpeg),
            picture,
            repair: None
        })
    );
    let twice = [jpeg, jpeg].concat();
    let outcome = feed(Splitter::new(FRAME_BYTES_MAX), [twice.as_slice()]);
    assert_eq!(outcome.jpegs(), [jpeg, jpeg]);
    for length in jpeg.len().saturating_sub(40)..jpeg.len() {
        assert!(
            check(&jpeg[..length]).is_err(),
            "it is whole without its last byte"
        );
    }
    assert_eq!(
        check(&[jpeg, b"\0"].concat()),
        Err(JpegError::TrailingBytes)
    );

    let headers = headers(jpeg);
    assert_eq!(
        headers.iter().any(|(code, _)| *code == 0xc4),
        picture.huffman_tables
    );
    let is_frame = |code: u8| matches!(code, 0xc0..=0xcf if ![0xc4, 0xc8, 0xcc].contains(&code));
    if let Some((_, [_, _, _, y1, y0, x1, x0, ..])) =
        headers.iter().find(|(code, _)| is_frame(*code))
    {
        let size = (
            u16::from_be_bytes([*x1, *x0]),
            u16::from_be_bytes([*y1, *y0]),
        );
        assert_eq!(size, (picture.width, picture.height));
    }

    let tabled = with_standard_tables(jpeg);
    let with_tables = check(&tabled).expect("tables do no harm");
    assert!(with_tables.huffman_tables && (tabled == jpeg) == picture.huffman_tables);
    assert_eq!(
        (with_tables.width, with_tables.height),
        (picture.width, picture.height)
    );
    assert_eq!(with_standard_tables(&tabled), tabled);

    let stripped = without_thumbnails(jpeg);
    assert_eq!(check(&stripped), Ok(picture));
    assert!(matches!(without_thumbnails(&stripped), Cow::Borrowed(_)));
}

/// Parses the markers before the first scan of a whole picture in the simplest way.
fn headers(jpeg: &[u8]) -> Vec<(u8, &[u8])> {
    let mut headers = Vec::new();
    let mut rest = &jpeg[2..];
    loop {
        match *rest {
            [0xff, 0xda | 0xd9, ..] | [] => return headers,
            [0xff, 0xff, ..] => rest = &rest[1..],
            [0xff, 0x01, ..] => rest = &rest[2..],
            [0xff, code, high, low, ..] => {
                let (segment, behind) =
                    rest[2..].split_at(usize::from(u16::from_be_bytes([high, low])));
                headers.push((code, segment));
                rest = behind;
            }
            _ => panic!("no marker where there must be one"),
        }
    }
}
