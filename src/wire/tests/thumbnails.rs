//! `jpeg::without_thumbnails` and `jpeg::first`: what a camera adds to a picture is cut off.

use std::borrow::Cow;

use crate::wire::jpeg::{JpegError, check, first, with_standard_tables, without_thumbnails};
use proptest::prelude::*;

use super::pictures::{self, frame, frame_with_thumbnail, segments, without_tables};

/// `jpeg` with an application segment or a comment right behind its start marker.
fn with_segment(jpeg: &[u8], code: u8, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, code], &length, data, &jpeg[2..]].concat()
}

#[test]
fn thumbnail_is_removed_and_the_rest_kept() {
    let picture = frame_with_thumbnail(3);
    let stripped = without_thumbnails(&picture);
    assert!(stripped.len() + frame(4).len() < picture.len());
    assert_eq!(check(&stripped), check(&picture));
    assert!(segments(&stripped).iter().all(|(code, _)| *code != 0xe1));
    assert!(
        segments(&stripped).iter().any(|(code, _)| *code == 0xe0),
        "JFIF's own segment holds no picture"
    );
    assert_eq!(
        with_segment(&stripped, 0xef, &frame(9)).len(),
        stripped.len() + 4 + frame(9).len()
    );
    assert_eq!(
        without_thumbnails(&with_segment(&stripped, 0xef, &frame(9))),
        stripped
    );
}

#[test]
fn thumbnail_without_tables_or_after_stray_markers_is_found() {
    let picture = frame(1);
    let strays = b"Exif\0\0\xff\xd8\xff\xd8\0\xff\xd8\xff\xd9".as_slice();
    for thumbnail in [
        without_tables(&frame(2)),
        [strays, &frame(2), b"rest"].concat(),
    ] {
        assert_eq!(
            without_thumbnails(&with_segment(&picture, 0xe1, &thumbnail)),
            picture
        );
    }
}

#[test]
fn segment_without_whole_picture_is_not_copied() {
    let picture = frame(1);
    let cut = &frame(2)[..200];
    let plain = [
        picture.clone(),
        with_segment(&picture, 0xe1, b"Exif\0\0 no picture"),
        with_segment(&picture, 0xe1, cut),
        with_segment(&picture, 0xfe, &frame(2)),
        b"".to_vec(),
        b"no picture".to_vec(),
        b"\xff\xd8\xff\xe1\xff".to_vec(),
        frame_with_thumbnail(1)[..100].to_vec(),
    ];
    for bytes in plain {
        assert!(matches!(without_thumbnails(&bytes), Cow::Borrowed(same) if same == bytes));
    }
}

#[test]
fn padding_is_cut_off_and_a_flaw_is_told() {
    for (kind, jpeg) in pictures::kinds() {
        let picture = check(&jpeg).unwrap();
        for padding in [
            b"".as_slice(),
            b"\0\0\0\0\0\0\0",
            b"\xff\xd9",
            b"\xff\xd8\xff",
        ] {
            let padded = [&jpeg, padding].concat();
            assert_eq!(first(&padded), Ok((picture, jpeg.as_slice())), "{kind}");
        }
    }
    assert_eq!(first(b""), Err(JpegError::NotJpeg));
    assert_eq!(first(&frame(1)[..100]), Err(JpegError::Truncated));
    assert_eq!(first(b"\xff\xd8\xff\xd9\0\0"), Err(JpegError::NoFrame));
}

proptest! {
    #[test]
    fn nothing_panics_and_no_picture_is_harmed(
        noise in prop::collection::vec(any::<u8>(), 0..300),
        at in 0..900_usize,
    ) {
        let mut picture = frame_with_thumbnail(5);
        let at = at.min(picture.len());
        picture.splice(at..at, noise.iter().copied());
        let stripped = without_thumbnails(&picture);
        prop_assert_eq!(without_thumbnails(&stripped), stripped.clone());
        prop_assert_eq!(check(&stripped), check(&picture));
        let _ = with_standard_tables(&stripped);
    }
}
