//! `jpeg::check` and `jpeg::with_standard_tables`.

use crate::wire::jpeg::{JpegError, Picture, check, repair, with_standard_tables};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

use super::pictures::{self, SIZE, frame, segment, without_tables};

const WHOLE: Picture = Picture {
    width: SIZE.0,
    height: SIZE.1,
    huffman_tables: true,
};

fn pixels(jpeg: &[u8]) -> Vec<u8> {
    JpegDecoder::new(ZCursor::new(jpeg)).decode().unwrap()
}

#[test]
fn each_kind_of_jpeg_is_accepted_with_its_size() {
    for (kind, jpeg) in pictures::kinds() {
        assert_eq!(check(&jpeg), Ok(WHOLE), "{kind}");
    }
}

#[test]
fn each_truncation_of_each_kind_is_refused() {
    for (kind, jpeg) in pictures::kinds() {
        for length in 0..jpeg.len() {
            let flaw = if length < 2 {
                JpegError::NotJpeg
            } else {
                JpegError::Truncated
            };
            assert_eq!(
                check(&jpeg[..length]),
                Err(flaw),
                "{kind} of {length} bytes"
            );
        }
    }
}

#[test]
fn missing_tables_are_found_missing_and_put_in() {
    for (kind, jpeg) in pictures::baseline_kinds() {
        let stripped = without_tables(&jpeg);
        assert_eq!(
            check(&stripped),
            Ok(Picture {
                huffman_tables: false,
                ..WHOLE
            }),
            "{kind}"
        );
        let mended = with_standard_tables(&stripped);
        assert_eq!(check(&mended), Ok(WHOLE), "{kind}");
        assert_eq!(pixels(&mended), pixels(&jpeg), "{kind}");
    }
}

#[test]
fn tables_are_put_in_only_where_they_are_missing() {
    for (kind, jpeg) in pictures::kinds() {
        assert_eq!(with_standard_tables(&jpeg), jpeg, "{kind}");
    }
    for no_scan in [b"".as_slice(), b"GET / HTTP/1.1", &frame(0)[..100]] {
        assert_eq!(with_standard_tables(no_scan), no_scan);
    }
}

#[test]
fn fill_bytes_and_markers_that_stand_alone_are_passed() {
    let jpeg = frame(0);
    let scan = segment(&jpeg, 0xda).start;
    let mut filled = jpeg.clone();
    filled.splice(scan..scan, [0xff, 0xff, 0xff, 0x01, 0xff, 0xff]);
    let end = filled.len() - 2;
    filled.splice(end..end, [0xff, 0xff]);
    assert_eq!(check(&filled), Ok(WHOLE));
}

#[test]
fn other_formats_are_named() {
    for bytes in [b"".as_slice(), b"\xff", b"\xd8\xff", b"\x89PNG", b"--frame"] {
        assert_eq!(check(bytes), Err(JpegError::NotJpeg));
    }
}

#[test]
fn size_of_zero_is_refused() {
    let jpeg = frame(0);
    let header = segment(&jpeg, 0xc0).start;
    for zeroed in [header + 5..header + 7, header + 7..header + 9] {
        let mut jpeg = jpeg.clone();
        jpeg[zeroed].fill(0);
        assert_eq!(check(&jpeg), Err(JpegError::ZeroSize));
    }
}

#[test]
fn height_after_scan_is_refused() {
    let mut jpeg = frame(0);
    let header = segment(&jpeg, 0xc0).start;
    let height: Vec<u8> = jpeg[header + 5..header + 7].to_vec();
    jpeg[header + 5..header + 7].fill(0);
    let end = jpeg.len() - 2;
    jpeg.splice(end..end, [0xff, 0xdc, 0, 4].into_iter().chain(height));
    assert_eq!(check(&jpeg), Err(JpegError::ZeroSize));
}

#[test]
fn without_frame_header_or_scan_there_is_no_picture() {
    let jpeg = frame(0);
    let mut headless = jpeg.clone();
    headless.drain(segment(&jpeg, 0xc0));
    assert_eq!(check(&headless), Err(JpegError::NoFrame));
    let mut scanless = jpeg[..segment(&jpeg, 0xda).start].to_vec();
    scanless.extend([0xff, 0xd9]);
    assert_eq!(check(&scanless), Err(JpegError::NoFrame));
    assert_eq!(check(&[0xff, 0xd8, 0xff, 0xd9]), Err(JpegError::NoFrame));
}

#[test]
fn invalid_segment_is_refused() {
    let jpeg = frame(0);
    let (tables, header, scan) = (
        segment(&jpeg, 0xdb),
        segment(&jpeg, 0xc0),
        segment(&jpeg, 0xda),
    );
    let broken = |at: usize, bytes: &[u8]| {
        let mut jpeg = jpeg.clone();
        jpeg[at..at + bytes.len()].copy_from_slice(bytes);
        assert_eq!(
            check(&jpeg),
            Err(JpegError::BadSegment),
            "{bytes:02x?} at {at}"
        );
    };
    broken(tables.start, &[0x00]);
    for code in [0x00, 0x02, 0xbf, 0xc8, 0xd0, 0xf0, 0xfd] {
        broken(tables.start, &[0xff, code]);
    }
    broken(tables.start + 2, &[0, 0]);
    broken(tables.start + 2, &[0, 1]);
    broken(tables.start + 2, &[0x7f, 0xff]);
    broken(header.start + 9, &[0]);
    broken(header.start + 9, &[4]);
    broken(scan.start + 4, &[0]);
    broken(scan.start + 4, &[2]);
    broken(scan.end + 3, &[0xff, 0x17]);
}

#[test]
fn kind_that_browsers_do_not_show_is_refused_by_name() {
    let jpeg = frame(0);
    let header = segment(&jpeg, 0xc0);
    let kinds = [
        (0xc0, 12, JpegError::TwelveBit),
        (0xc1, 12, JpegError::TwelveBit),
        (0xc3, 8, JpegError::Lossless),
        (0xc3, 12, JpegError::Lossless),
        (0xf7, 8, JpegError::Lossless),
        (0xc5, 8, JpegError::Hierarchical),
        (0xc6, 8, JpegError::Hierarchical),
        (0xc7, 8, JpegError::Hierarchical),
        (0xc9, 8, JpegError::Arithmetic),
        (0xca, 8, JpegError::Arithmetic),
        (0xcb, 8, JpegError::Arithmetic),
        (0xcd, 8, JpegError::Hierarchical),
        (0xcf, 8, JpegError::Hierarchical),
    ];
    for (code, precision, flaw) in kinds {
        let mut jpeg = jpeg.clone();
        (jpeg[header.start + 1], jpeg[header.start + 4]) = (code, precision);
        assert_eq!(check(&jpeg), Err(flaw), "{code:02x} with {precision} bits");
        assert_eq!(repair(&jpeg), Err(flaw));
    }
    // A hierarchical picture begins with a header of its own (T.81, B.3.2) and has several frames.
    let mut several = jpeg.clone();
    let again = [
        &[0xff, 0xde],
        &jpeg[header.start + 2..header.end],
        &jpeg[header.clone()],
    ]
    .concat();
    several.splice(header.start..header.start, again);
    assert_eq!(check(&several), Err(JpegError::Hierarchical));
}

#[test]
fn second_frame_header_is_refused() {
    let jpeg = frame(0);
    let header = segment(&jpeg, 0xc0);
    let mut doubled = jpeg.clone();
    doubled.splice(header.end..header.end, jpeg[header.clone()].to_vec());
    assert_eq!(check(&doubled), Err(JpegError::BadSegment));
}

#[test]
fn start_marker_within_scan_means_truncated_picture() {
    let jpeg = frame(0);
    assert_eq!(
        check(&[&jpeg[..jpeg.len() - 10], &jpeg].concat()),
        Err(JpegError::Truncated)
    );
}

#[test]
fn bytes_behind_the_end_are_refused() {
    let jpeg = frame(0);
    for behind in [b"\0".as_slice(), b"\r\n", &jpeg] {
        assert_eq!(
            check(&[&jpeg, behind].concat()),
            Err(JpegError::TrailingBytes)
        );
    }
}
