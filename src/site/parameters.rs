//! Query parameters. Unknown parameters are ignored. An invalid value of a known one is answered
//! with 400 and the valid values.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::reply::Problem;
use crate::stream::RateLimit;
use crate::text::escaped::to_nfc;
use crate::wire::http::Request;
use crate::wire::multipart::Framing;

/// Maximum of `fps=`.
const FPS_MAX: f64 = 240.0;

/// Maximum of `kbps=`: ten gigabits per second.
const KBPS_MAX: u64 = 10_000_000;

/// The error message for a request that needs a history.
pub const NO_HISTORY: &str = "History is off; start the server with, for example, --history 30s.";

/// Maximum of `rows=`, about 700 megabytes.
const ROWS_MAX: u64 = 10_000_000;

/// Returns the index of the requested camera: `number` if the path has one, else the camera named
/// by `camera=`, else the first.
pub fn camera(number: Option<usize>, request: &Request, names: &[&str]) -> Result<usize, Problem> {
    find_camera(number, request, names).ok_or_else(|| {
        let requested = requested_camera(request);
        let requested = requested.map_or_else(
            || format!("number {}", number.unwrap_or(0)),
            |name| format!("'{name}'"),
        );
        Problem::not_found(format!(
            "Unknown camera {requested}; available: {}.",
            names.join(", ")
        ))
    })
}

/// Like [`camera`]; returns `None` if there is no such camera.
pub fn find_camera(number: Option<usize>, request: &Request, names: &[&str]) -> Option<usize> {
    match (number, requested_camera(request)) {
        (Some(number), _) => Some(number).filter(|&number| number < names.len()),
        (None, Some(requested)) => {
            let requested = to_nfc(&requested);
            names.iter().position(|name| *name == requested)
        }
        (None, None) => Some(0),
    }
}

/// Returns whether a request names no camera.
pub fn names_no_camera(number: Option<usize>, request: &Request) -> bool {
    number.is_none() && requested_camera(request).is_none()
}

/// Returns a copy of a request that names the camera `name`, if it names none.
pub fn for_camera(request: &Request, name: &str) -> Request {
    let mut request = request.clone();
    if names_no_camera(None, &request) {
        // Of two parameters with the same name, the first one counts.
        request.query = format!(
            "camera={}&{}",
            utf8_percent_encode(name, NON_ALPHANUMERIC),
            request.query
        );
    }
    request
}

fn requested_camera(request: &Request) -> Option<Cow<'_, str>> {
    request.parameter("camera").filter(|name| !name.is_empty())
}

/// Returns the rate limit of a viewer, from `fps=N` and `kbps=N`.
pub fn rate_limit(request: &Request) -> Result<RateLimit, Problem> {
    Ok(RateLimit {
        interval: interval(request)?,
        bytes_per_second: bytes_per_second(request)?,
    })
}

/// Returns the minimum time between two frames, from `fps=N`.
fn interval(request: &Request) -> Result<Option<Duration>, Problem> {
    let Some(fps) = request.parameter("fps").filter(|fps| !fps.is_empty()) else {
        return Ok(None);
    };
    match fps.parse::<f64>() {
        Ok(fps) if fps > 0.0 && fps <= FPS_MAX => {
            // A `Duration` would overflow far below one frame per day.
            let seconds = (1.0 / fps).min(86_400.0);
            Ok(Some(Duration::from_secs_f64(seconds)))
        }
        _ => Err(Problem::bad_request(format!(
            "Invalid fps '{fps}'; expected a number above 0, at most {FPS_MAX}."
        ))),
    }
}

/// Returns `kbps=N`, in kilobits per second, as bytes per second.
fn bytes_per_second(request: &Request) -> Result<Option<NonZeroU64>, Problem> {
    let Some(kbps) = request.parameter("kbps").filter(|kbps| !kbps.is_empty()) else {
        return Ok(None);
    };
    match kbps.parse() {
        Ok(number) if (1..=KBPS_MAX).contains(&number) => {
            Ok(NonZeroU64::new(number.saturating_mul(125)))
        }
        _ => Err(Problem::bad_request(format!(
            "Invalid kbps '{kbps}'; expected a whole number from 1 to {KBPS_MAX}."
        ))),
    }
}

/// Returns the framing of the parts: as requested, else as the client needs it.
///
/// Chromium and WebKitGTK show a part of an `<img>` only after the header of the next part has
/// arrived (measured), so that is sent in advance. Players and libraries need `Content-Length`.
pub fn framing(request: &Request) -> Result<Framing, Problem> {
    match request
        .parameter("framing")
        .filter(|framing| !framing.is_empty())
        .as_deref()
    {
        Some("advance") => return Ok(Framing::Advance),
        Some("length") => return Ok(Framing::Length),
        Some(other) => {
            return Err(Problem::bad_request(format!(
                "Invalid framing '{other}'; expected length or advance."
            )));
        }
        None => {}
    }
    // ustreamer's parameter.
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

/// Returns the number of rows, from `rows=N`. `None` is a table without end.
pub fn rows(request: &Request) -> Result<Option<u64>, Problem> {
    match whole_number("rows", request) {
        Ok(None) => Ok(None),
        Ok(Some(rows)) if (1..=ROWS_MAX).contains(&rows) => Ok(Some(rows)),
        _ => {
            let rows = request.parameter("rows").unwrap_or_default();
            Err(Problem::bad_request(format!(
                "Invalid rows '{rows}'; expected a whole number from 1 to {ROWS_MAX}."
            )))
        }
    }
}

/// Returns the length of a clip, from `seconds=N`, `default` seconds without it. At most `span`,
/// the length of the history.
pub fn seconds(request: &Request, span: Duration, default: f64) -> Result<Duration, Problem> {
    let longest = span.as_secs_f64();
    let Some(seconds) = request
        .parameter("seconds")
        .filter(|seconds| !seconds.is_empty())
    else {
        return Ok(Duration::from_secs_f64(longest.min(default)));
    };
    match seconds.parse() {
        Ok(number) if number >= 1.0 => Ok(Duration::from_secs_f64(longest.min(number))),
        _ => Err(Problem::bad_request(format!(
            "Invalid seconds '{seconds}'; expected a number, at least 1."
        ))),
    }
}

/// Returns the delay of a stream, from `delay=TIME`, in seconds with or without the unit `s`.
/// Rounded to tenths of a second; at most `span`, the length of the history.
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
        _ => Err(Problem::bad_request(format!(
            "Invalid delay '{delay}'; expected 0.1 to {longest} seconds (see --history)."
        ))),
    }
}

/// Returns whether a parameter that takes 0 or 1 is 1.
pub fn flag(name: &str, request: &Request) -> Result<bool, Problem> {
    match request.parameter(name).as_deref() {
        None | Some("" | "0") => Ok(false),
        Some("1") => Ok(true),
        Some(other) => Err(Problem::bad_request(format!(
            "Invalid {name} '{other}'; expected 0 or 1."
        ))),
    }
}

/// Returns the id of the last event that a client received: from the field that a browser sends
/// when it reconnects, or from the parameter of a page. The field may stem from another server, so
/// an invalid one is ignored.
pub fn last_event(request: &Request) -> Result<Option<u64>, Problem> {
    match request
        .field("Last-Event-ID")
        .and_then(|id| id.trim().parse().ok())
    {
        Some(id) => Ok(Some(id)),
        None => whole_number("last_event_id", request),
    }
}

/// Returns the value of a parameter that takes a whole number.
pub fn whole_number(name: &str, request: &Request) -> Result<Option<u64>, Problem> {
    let Some(value) = request.parameter(name).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let number = value.parse();
    number.map(Some).map_err(|_| {
        Problem::bad_request(format!(
            "Invalid {name} '{value}'; expected a whole number, at least 0."
        ))
    })
}
