//! JPEGs one after another, and each for itself.

use std::borrow::Cow;

use framecast::wire::jpeg::{
    JpegError, Repaired, Splitter, check, first, repair, with_standard_tables, without_thumbnails,
};
use framecast::wire::part::Repair;

use super::feed::{FRAME_BYTES_MAX, feed};
use super::parts::{bound, cutting_changes_nothing};
use super::sample::Sample;

/// Looks at a picture's bytes: at each once more in up to eight walks from a start marker within a
/// broken one, in each of which a segment is looked through for start markers, twice if it is the
/// one that broke.
const LOOKS: usize = 30;

pub fn run(input: &[u8]) {
    let Some(sample) = Sample::read(input) else {
        return;
    };
    let bound = bound(sample.choice);
    let outcome = cutting_changes_nothing(|| Splitter::new(bound), &sample, LOOKS);
    assert!(
        outcome.left.len() < bound.max(2),
        "{} bytes are kept",
        outcome.left.len()
    );
    for part in outcome.parts().into_iter().take(4) {
        is_whole(&part.jpeg);
    }
    is_judged_alike(&sample.stream);
}

/// The ways of judging bytes agree.
fn is_judged_alike(bytes: &[u8]) {
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
            is_whole(whole);
        }
        Err(flaw) => {
            assert_eq!(check(bytes), Err(flaw));
            is_mended(bytes);
            // Neither makes a picture of what is none, nor minds it.
            assert!(check(&with_standard_tables(bytes)).is_err());
            without_thumbnails(bytes);
        }
    }
}

/// What is mended is a whole picture that is, but for its end, in the bytes as it was.
fn is_mended(bytes: &[u8]) {
    let Ok(mended) = repair(bytes) else { return };
    assert_eq!(check(&mended.jpeg), Ok(mended.picture));
    let (repair, data) = (
        mended.repair.expect("it was flawed"),
        &mended.jpeg[..mended.jpeg.len() - 2],
    );
    let at = bytes
        .windows(data.len())
        .position(|window| window == data)
        .expect("it was there");
    assert!(at <= 4096 && (repair == Repair::EndMarker || at > 0));
}

/// What has passed the check is cut out of a stream as it is, is none without its end, and stays
/// one with tables added and thumbnails left out.
fn is_whole(jpeg: &[u8]) {
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

/// The markers before the first scan of a whole picture, with their segments, read in the plainest
/// way.
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
