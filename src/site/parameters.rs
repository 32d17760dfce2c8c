//! The parameters of our addresses. A name we do not know is nobody's business; a bad value of one we know is a 400
//! that says what would be good.

use std::borrow::Cow;
use std::time::Duration;

use super::Scene;
use super::pages::Problem;
use crate::wire::http::Request;
use crate::wire::multipart::Framing;

/// Frames a second that a viewer may ask for.
const FPS_MAX: f64 = 240.0;

/// The camera that is asked for: by its place in the address, by its name, else the first.
pub fn camera(number: Option<usize>, request: &Request, scene: &impl Scene) -> Result<usize, Problem> {
    let names = scene.camera_names();
    find_camera(number, request, &names).ok_or_else(|| {
        let asked = asked_camera(request);
        let asked = asked.map_or_else(|| format!("number {}", number.unwrap_or(0)), |name| format!("'{name}'"));
        Problem::not_found(format!("There is no camera {asked}; there is: {}.", names.join(", ")))
    })
}

/// The same, of cameras with these names; `None` if there is no such camera.
pub fn find_camera(number: Option<usize>, request: &Request, names: &[&str]) -> Option<usize> {
    match (number, asked_camera(request)) {
        (Some(number), _) => Some(number).filter(|&number| number < names.len()),
        (None, Some(asked)) => names.iter().position(|name| *name == asked),
        (None, None) => Some(0),
    }
}

fn asked_camera(request: &Request) -> Option<Cow<'_, str>> {
    request.parameter("camera").filter(|name| !name.is_empty())
}

/// The least time between two frames, from `fps=N`.
pub fn interval(request: &Request) -> Result<Option<Duration>, Problem> {
    let Some(fps) = request.parameter("fps").filter(|fps| !fps.is_empty()) else { return Ok(None) };
    match fps.parse::<f64>() {
        Ok(fps) if fps > 0.0 && fps <= FPS_MAX => {
            // Far below one frame a day it would overflow, and nobody would see the difference.
            let seconds = (1.0 / fps).min(86_400.0);
            Ok(Some(Duration::from_secs_f64(seconds)))
        }
        _ => Err(Problem::bad(format!("fps takes a number above 0 and up to {FPS_MAX}, not '{fps}'."))),
    }
}

/// How the parts are framed: as asked, else as the peer is known to need it.
///
/// A browser shows a part of an `<img>` only once the header block of the next one is there, so it is sent ahead;
/// players and libraries want `Content-Length`. Measured in Chromium and WebKitGTK.
pub fn framing(request: &Request) -> Result<Framing, Problem> {
    match request.parameter("framing").as_deref() {
        Some("advance") => return Ok(Framing::Advance),
        Some("length") => return Ok(Framing::Length),
        Some(other) => {
            return Err(Problem::bad(format!("framing takes 'length' or 'advance', not '{other}'.")));
        }
        None => {}
    }
    // ustreamer's word for it.
    if request.parameter("advance_headers").is_some_and(|value| value == "1") {
        return Ok(Framing::Advance);
    }
    let wants_image = request.field("Accept").is_some_and(|accept| accept.starts_with("image/"));
    let is_webkit = request.field("User-Agent").is_some_and(|agent| agent.contains("AppleWebKit/"));
    Ok(if wants_image && is_webkit { Framing::Advance } else { Framing::Length })
}

/// A whole number, of a parameter that takes one.
pub fn whole_number(name: &str, request: &Request) -> Result<Option<u64>, Problem> {
    let Some(value) = request.parameter(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let number = value.parse();
    number.map(Some).map_err(|_| Problem::bad(format!("{name} takes a whole number from 0, not '{value}'.")))
}
