//! The parameters of our addresses. Unknown parameters are ignored; a bad value of a known one is a
//! 400 that names the good ones.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::reply::Problem;
use crate::stream::RateLimit;
use crate::text::escaped::to_nfc;
use crate::wire::http::Request;
use crate::wire::multipart::Framing;

/// Frames a second that a viewer may ask for.
const FPS_MAX: f64 = 240.0;

/// Kilobits a second that a viewer may ask for: ten gigabits, past which a limit means nothing.
const KBPS_MAX: u64 = 10_000_000;

/// The problem of a request for the past where none is kept.
pub const NO_HISTORY: &str = "No history is kept; start the server with, say, --history 30s.";

/// Rows of a table with an end: some 700 megabytes of them.
const ROWS_MAX: u64 = 10_000_000;

/// The camera that is asked for: by its place in the address, by its name, else the first.
pub fn camera(number: Option<usize>, request: &Request, names: &[&str]) -> Result<usize, Problem> {
    find_camera(number, request, names).ok_or_else(|| {
        let asked = asked_camera(request);
        let asked = asked.map_or_else(
            || format!("number {}", number.unwrap_or(0)),
            |name| format!("'{name}'"),
        );
        Problem::not_found(format!(
            "There is no camera {asked}; there is: {}.",
            names.join(", ")
        ))
    })
}

/// The same, of cameras with these names; `None` if there is no such camera.
pub fn find_camera(number: Option<usize>, request: &Request, names: &[&str]) -> Option<usize> {
    match (number, asked_camera(request)) {
        (Some(number), _) => Some(number).filter(|&number| number < names.len()),
        (None, Some(asked)) => {
            let asked = to_nfc(&asked);
            names.iter().position(|name| *name == asked)
        }
        (None, None) => Some(0),
    }
}

/// Whether a request leaves open which camera it is for.
pub fn is_camera_open(number: Option<usize>, request: &Request) -> bool {
    number.is_none() && asked_camera(request).is_none()
}

/// A request that asks for the camera `name` wherever it leaves that open.
pub fn for_camera(request: &Request, name: &str) -> Request {
    let mut request = request.clone();
    if is_camera_open(None, &request) {
        // The first parameter of a name is the one that counts.
        request.query = format!(
            "camera={}&{}",
            utf8_percent_encode(name, NON_ALPHANUMERIC),
            request.query
        );
    }
    request
}

fn asked_camera(request: &Request) -> Option<Cow<'_, str>> {
    request.parameter("camera").filter(|name| !name.is_empty())
}

/// The most that a viewer wants to be given, from `fps=N` and `kbps=N`.
pub fn rate_limit(request: &Request) -> Result<RateLimit, Problem> {
    Ok(RateLimit {
        interval: interval(request)?,
        bytes_per_second: bytes_per_second(request)?,
    })
}

/// The least time between two frames.
fn interval(request: &Request) -> Result<Option<Duration>, Problem> {
    let Some(fps) = request.parameter("fps").filter(|fps| !fps.is_empty()) else {
        return Ok(None);
    };
    match fps.parse::<f64>() {
        Ok(fps) if fps > 0.0 && fps <= FPS_MAX => {
            // Far below one frame a day it would overflow, and nobody would see the difference.
            let seconds = (1.0 / fps).min(86_400.0);
            Ok(Some(Duration::from_secs_f64(seconds)))
        }
        _ => Err(Problem::bad(format!(
            "fps takes a number above 0 and up to {FPS_MAX}, not '{fps}'."
        ))),
    }
}

/// Kilobits, of a thousand bits, as bytes.
fn bytes_per_second(request: &Request) -> Result<Option<NonZeroU64>, Problem> {
    let Some(kbps) = request.parameter("kbps").filter(|kbps| !kbps.is_empty()) else {
        return Ok(None);
    };
    match kbps.parse() {
        Ok(number) if (1..=KBPS_MAX).contains(&number) => {
            Ok(NonZeroU64::new(number.saturating_mul(125)))
        }
        _ => Err(Problem::bad(format!(
            "kbps takes a whole number from 1 to {KBPS_MAX}, not '{kbps}'."
        ))),
    }
}

/// How the parts are framed: as asked, else as the peer is known to need it.
///
/// A browser shows a part of an `<img>` only once the header block of the next one is there, so it
/// is sent ahead; players and libraries want `Content-Length`. Measured in Chromium and WebKitGTK.
pub fn framing(request: &Request) -> Result<Framing, Problem> {
    match request
        .parameter("framing")
        .filter(|framing| !framing.is_empty())
        .as_deref()
    {
        Some("advance") => return Ok(Framing::Advance),
        Some("length") => return Ok(Framing::Length),
        Some(other) => {
            return Err(Problem::bad(format!(
                "framing takes 'length' or 'advance', not '{other}'."
            )));
        }
        None => {}
    }
    // ustreamer's word for it.
    if request
        .parameter("advance_headers")
        .is_some_and(|value| value == "1")
    {
        return Ok(Framing::Advance);
    }
    let wants_image = request
        .field("Accept")
        .is_some_and(|accept| accept.starts_with("image/"));
    let is_webkit = request
        .field("User-Agent")
        .is_some_and(|agent| agent.contains("AppleWebKit/"));
    Ok(if wants_image && is_webkit {
        Framing::Advance
    } else {
        Framing::Length
    })
}

/// Rows of a table with an end, from `rows=N`; without it, there is none.
pub fn rows(request: &Request) -> Result<Option<u64>, Problem> {
    match whole_number("rows", request) {
        Ok(None) => Ok(None),
        Ok(Some(rows)) if (1..=ROWS_MAX).contains(&rows) => Ok(Some(rows)),
        _ => {
            let rows = request.parameter("rows").unwrap_or_default();
            Err(Problem::bad(format!(
                "rows takes a whole number from 1 to {ROWS_MAX}, not '{rows}'."
            )))
        }
    }
}

/// The length of a clip, from `seconds=N`, by default `usual` seconds: as much of it as a history
/// reaches back to.
pub fn seconds(request: &Request, span: Duration, usual: f64) -> Result<Duration, Problem> {
    let longest = span.as_secs_f64();
    let Some(seconds) = request
        .parameter("seconds")
        .filter(|seconds| !seconds.is_empty())
    else {
        return Ok(Duration::from_secs_f64(longest.min(usual)));
    };
    match seconds.parse() {
        Ok(number) if number >= 1.0 => Ok(Duration::from_secs_f64(longest.min(number))),
        _ => Err(Problem::bad(format!(
            "seconds takes a number from 1, not '{seconds}'."
        ))),
    }
}

/// How late a stream is to be, from `delay=TIME` in seconds with or without their unit: in tenths
/// of a second, as much as a history reaches back to.
pub fn delay(request: &Request, span: Duration) -> Result<Duration, Problem> {
    let Some(delay) = request.parameter("delay").filter(|delay| !delay.is_empty()) else {
        return Ok(Duration::ZERO);
    };
    let longest = span.as_secs_f64();
    match delay.strip_suffix('s').unwrap_or(&delay).parse::<f64>() {
        Ok(0.0) => Ok(Duration::ZERO),
        Ok(_) if span.is_zero() => Err(Problem::not_found(NO_HISTORY)),
        Ok(seconds) if (0.1..=longest).contains(&seconds) => Ok(Duration::from_millis(
            ((seconds * 10.0).round() as u64).saturating_mul(100),
        )
        .min(span)),
        _ => Err(Problem::bad(format!(
            "delay takes seconds from 0.1 to {longest}, as far as --history reaches, not '{delay}'."
        ))),
    }
}

/// Whether a parameter that is 0 or 1 is 1.
pub fn flag(name: &str, request: &Request) -> Result<bool, Problem> {
    match request.parameter(name).as_deref() {
        None | Some("" | "0") => Ok(false),
        Some("1") => Ok(true),
        Some(other) => Err(Problem::bad(format!("{name} takes 0 or 1, not '{other}'."))),
    }
}

/// The number of the last event that a listener knows: its browser's word for it, or the one that
/// its page gives where the browser has none. A browser's may be another server's, so what is no
/// number there is nobody's mistake.
pub fn last_event(request: &Request) -> Result<Option<u64>, Problem> {
    match request
        .field("Last-Event-ID")
        .and_then(|id| id.trim().parse().ok())
    {
        Some(id) => Ok(Some(id)),
        None => whole_number("last_event_id", request),
    }
}

/// A whole number, of a parameter that takes one.
pub fn whole_number(name: &str, request: &Request) -> Result<Option<u64>, Problem> {
    let Some(value) = request.parameter(name).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let number = value.parse();
    number.map(Some).map_err(|_| {
        Problem::bad(format!(
            "{name} takes a whole number from 0, not '{value}'."
        ))
    })
}
