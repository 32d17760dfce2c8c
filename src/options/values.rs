//! The values of options: each is read into what it stands for, or refused in a sentence that says
//! what would do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Pid;

use crate::server::credentials::read_small;
use crate::server::{Offline, WarmUp};
use crate::wire::facts::Ignored;
use crate::wire::jpeg::{self, FRAME_BYTES_MAX};
use crate::wire::secret::SecretAddress;
use crate::wire::source::Part;

/// The most memory that an option may give: a tebibyte, in MiB. The largest frame that may be
/// allowed, in MiB. Slow viewers each hold one, and so does every driver.
const FRAME_MEBIBYTES_MAX: u32 = 64;

const MEBIBYTES_MAX: u32 = 1_048_576;

/// The oldest frame that an option may ask for.
const AGE_MAX: Duration = Duration::from_secs(3600);

/// The longest warm-ups: a snapshot is waited for no longer than 10 s.
const WARM_UP_TIME_MAX: Duration = Duration::from_secs(5);
const WARM_UP_FRAMES_MAX: u32 = 100;

/// How many there may be of something.
pub(super) fn count(text: &str) -> Result<u32, String> {
    whole_number(text, u32::MAX)
}

/// An amount of memory.
pub(super) fn mebibytes(text: &str) -> Result<u32, String> {
    whole_number(text, MEBIBYTES_MAX)
}

/// The size of a frame, in MiB.
pub(super) fn frame_mebibytes(text: &str) -> Result<u32, String> {
    whole_number(text, FRAME_MEBIBYTES_MAX)
}

fn whole_number(text: &str, max: u32) -> Result<u32, String> {
    let parsed = text.parse().ok();
    parsed
        .filter(|number| (1..=max).contains(number))
        .ok_or_else(|| format!("write a whole number from 1 to {max}"))
}

/// Whether something is wanted, as a variable says it. One that is empty says no.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" | "" => Ok(false),
        _ => Err("write true or false".into()),
    }
}

/// A text that is checked later.
pub(super) fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// An address that may hold a password; it is checked later.
pub(super) fn secret(text: &str) -> Result<SecretAddress, String> {
    Ok(SecretAddress::new(text))
}

/// The path of a file.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        Err("write the path of a file".into())
    } else {
        Ok(text.into())
    }
}

/// The number of a process.
pub(super) fn process(text: &str) -> Result<Pid, String> {
    text.parse()
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| "a process is a number above 0".into())
}

/// The size of a picture.
pub(super) fn pixels(text: &str) -> Result<(u16, u16), String> {
    let sides = text
        .split_once('x')
        .and_then(|(width, height)| width.parse().ok().zip(height.parse().ok()));
    sides.ok_or_else(|| "a size is WIDTHxHEIGHT, each at most 65535, such as 640x480".into())
}

/// A length of time with its unit. Zero is none: what it bounds would be over before it began.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text);
    parsed.ok().filter(|time| !time.is_zero() && *time <= Duration::from_secs(366 * 86_400)).ok_or_else(|| {
        "a time is a number above 0 with its unit, as in 250ms, 30s, 2m or 1h, and at most a year".into()
    })
}

/// A length of time that may be zero.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text)
        .ok()
        .filter(|age| *age <= AGE_MAX);
    parsed.ok_or_else(|| {
        "an age is a number with its unit, as in 0s, 250ms or 2s, and at most an hour".into()
    })
}

/// What is passed over before a snapshot: frames, or a time.
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
        format!("a warm-up is a time as in 500ms, up to 5s, or a number of frames up to {WARM_UP_FRAMES_MAX}")
    })
}

/// What is shown of a camera that is offline. A picture is read here, once: no request and no
/// outage ever opens a file.
pub(super) fn offline(text: &str) -> Result<Offline, String> {
    match text {
        "draw" => Ok(Offline::Draw),
        "last" => Ok(Offline::Last),
        path => {
            let unread = |error| {
                format!(
                    "cannot read the picture {path}: {error}; write draw, last or the path of a JPEG"
                )
            };
            let jpeg = read_small(Path::new(path), FRAME_BYTES_MAX).map_err(unread)?;
            let picture = jpeg::check(&jpeg)
                .map_err(|flaw| format!("{path} cannot be shown: {flaw}; give one whole JPEG"))?;
            let part = Part {
                jpeg: jpeg.into(),
                picture,
                captured_at: None,
                sequence: None,
                ignored: Ignored::default(),
                repair: None,
            };
            Ok(Offline::Picture(part.with_tables()))
        }
    }
}

/// RFC 2046, section 5.1.1, less what would have to be quoted in the header, which not every client
/// understands.
pub(super) fn boundary(text: &str) -> Result<String, String> {
    let fits = (1..=70).contains(&text.len());
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
    if fits && text.bytes().all(is_plain) && !text.starts_with('-') {
        Ok(text.to_owned())
    } else {
        Err("a boundary is 1 to 70 letters, digits, '-', '_', '.' or '+', and does not begin with '-'".into())
    }
}
