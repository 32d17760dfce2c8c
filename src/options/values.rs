//! Parsers of option values. Each error states what was expected.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Pid;

use crate::server::credentials::read_small;
use crate::server::{Offline, WarmUp};
use crate::text::secret::SecretAddress;
use crate::wire::jpeg::{self, FRAME_BYTES_MAX};
use crate::wire::metadata::IgnoredFields;
use crate::wire::part::Part;

/// The upper bound of a frame's size, in MiB. Each slow viewer retains one frame, and each driver
/// buffers one.
const FRAME_MEBIBYTES_MAX: u32 = 64;

/// The upper bound of other amounts of memory, in MiB: a tebibyte.
const MEBIBYTES_MAX: u32 = 1_048_576;

/// The upper bound of times that bound something else.
const TIME_MAX: Duration = Duration::from_secs(366 * 86_400);

/// The upper bound of a snapshot's age.
const AGE_MAX: Duration = Duration::from_secs(3600);

/// The bounds of the history's span: at most a day.
const SPAN: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);

/// The upper bounds of a warm-up. A snapshot waits 10 s at most.
const WARM_UP_TIME_MAX: Duration = Duration::from_secs(5);
const WARM_UP_FRAMES_MAX: u32 = 100;

/// Parses a number of viewers or connections.
pub(super) fn count(text: &str) -> Result<u32, String> {
    whole_number(text, u32::MAX)
}

/// Parses an amount of memory, in MiB.
pub(super) fn mebibytes(text: &str) -> Result<u32, String> {
    whole_number(text, MEBIBYTES_MAX)
}

/// Parses the size of a frame, in MiB.
pub(super) fn frame_mebibytes(text: &str) -> Result<u32, String> {
    whole_number(text, FRAME_MEBIBYTES_MAX)
}

fn whole_number(text: &str, max: u32) -> Result<u32, String> {
    let parsed = text.parse().ok();
    parsed
        .filter(|number| (1..=max).contains(number))
        .ok_or_else(|| format!("expected a whole number from 1 to {max}"))
}

/// Parses a boolean. An empty variable is false.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" | "" => Ok(false),
        _ => Err("expected true or false".into()),
    }
}

/// Accepts any text; it is parsed later.
pub(super) fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// Accepts any text, which may contain a password; it is parsed later.
pub(super) fn secret(text: &str) -> Result<SecretAddress, String> {
    Ok(SecretAddress::new(text))
}

/// Parses the path of a file.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        Err("expected the path of a file".into())
    } else {
        Ok(text.into())
    }
}

/// Parses a process id.
pub(super) fn process_id(text: &str) -> Result<Pid, String> {
    text.parse()
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| "expected a process id, a number above 0".into())
}

/// Parses the size of a picture, in pixels.
pub(super) fn pixels(text: &str) -> Result<(u16, u16), String> {
    let sides = text
        .split_once('x')
        .and_then(|(width, height)| width.parse().ok().zip(height.parse().ok()));
    sides.ok_or_else(|| "expected WIDTHxHEIGHT, each at most 65535, such as 640x480".into())
}

/// Parses a duration above zero: a timeout of zero would always have expired.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text).ok();
    parsed
        .filter(|time| !time.is_zero() && *time <= TIME_MAX)
        .ok_or_else(|| {
            "expected a time above 0 with its unit, such as 250ms, 30s, 2m or 1h, at most 366days"
                .into()
        })
}

/// Parses a snapshot's age, which may be zero.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text).ok();
    parsed.filter(|age| *age <= AGE_MAX).ok_or_else(|| {
        "expected a time from 0s to 1h with its unit, such as 0s, 250ms or 2s".into()
    })
}

/// Parses the span of the history. Zero is no history.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text).ok();
    parsed
        .filter(|span| span.is_zero() || SPAN.contains(span))
        .ok_or_else(|| {
            "expected 0s for no history, or a time from 1s to 24h with its unit, such as 30s or 2m"
                .into()
        })
}

/// Parses the part of a camera's output that is skipped before a snapshot: frames, or a time.
pub(super) fn warm_up(text: &str) -> Result<WarmUp, String> {
    let frames = text
        .parse()
        .ok()
        .filter(|&frames| frames <= WARM_UP_FRAMES_MAX)
        .map(WarmUp::Frames);
    let time = || {
        humantime::parse_duration(text)
            .ok()
            .filter(|time| *time <= WARM_UP_TIME_MAX)
            .map(WarmUp::Time)
    };
    frames.or_else(time).ok_or_else(|| {
        format!("expected a time of at most 5s, such as 500ms, or a number of frames, at most {WARM_UP_FRAMES_MAX}")
    })
}

/// Parses the placeholder of an offline camera. A file is read here, at the start, so that the
/// server never blocks on it.
pub(super) fn offline(text: &str) -> Result<Offline, String> {
    match text {
        "draw" => Ok(Offline::Draw),
        "last" => Ok(Offline::Last),
        path => {
            let unread = |error| {
                format!("cannot read {path}: {error}; expected draw, last or the path of a JPEG")
            };
            let jpeg = read_small(Path::new(path), FRAME_BYTES_MAX).map_err(unread)?;
            let picture = jpeg::check(&jpeg).map_err(|flaw| {
                format!("{path}: invalid JPEG: {flaw}; expected a file with one whole JPEG")
            })?;
            let part = Part {
                jpeg: jpeg.into(),
                picture,
                captured_at: None,
                sequence: None,
                ignored: IgnoredFields::default(),
                repair: None,
            };
            Ok(Offline::Picture(part.with_tables()))
        }
    }
}

/// Parses a boundary (RFC 2046, section 5.1.1). Characters that need quotes in the header are not
/// allowed: not every client understands the quotes.
pub(super) fn boundary(text: &str) -> Result<String, String> {
    let fits = (1..=70).contains(&text.len());
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
    if fits && text.bytes().all(is_plain) && !text.starts_with('-') {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 70 letters, digits, '-', '_', '.' or '+', not beginning with '-'".into())
    }
}
