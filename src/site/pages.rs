//! What stands at each address.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::assets::Asset;
use super::auth::Scope;
use super::clip::{self, Clip};
use super::events::Events;
use super::metrics::{self, Format};
use super::origins::{Fields, Origins};
use super::reply::{Problem, dated, dynamic, respond, secured, uncached};
use super::snapshot::Snapshot;
use super::state::State;
use super::table::Table;
use super::view::{CameraView, View};
use super::{parameters, token};
use crate::hub::{Answer, Awaited, Call, Response, Subscription, Transport};
use crate::stream::Frame;
use crate::wire::http::{ALLOW, Request, ResponseHead, Status};
use crate::wire::metadata::WallTime;
use crate::wire::{multipart, sse};

/// A label by which a viewer asks for its own figures is kept up to this length.
const LABEL_BYTES_MAX: usize = 64;

/// A clip has so many seconds unless it is asked for more or less.
const CLIP_SECONDS: f64 = 10.0;

/// What may be asked of any address (RFC 9110, section 9.3.7).
pub fn options() -> Answer {
    Answer::Respond(Response::new(
        ResponseHead::new(Status::NoContent).field("Allow", ALLOW),
        None,
    ))
}

/// A file of the page. The browser keeps it and asks whether it is still the same, but never keeps
/// a page that holds a token.
pub fn asset(
    asset: &'static Asset,
    request: &Request,
    scope: Scope,
    origins: &Origins,
    date: WallTime,
) -> Answer {
    if let Some((token, text)) = request.parameter("token").zip(asset.linking_text()) {
        let head = secured(dynamic(Status::Ok, asset.content_type, date), origins);
        return respond(head, token::carry_on(text, &token, scope));
    }
    let body = Bytes::from_static(asset.body);
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let fresh = is_known(request, &tag);
    let head = dated(
        if fresh {
            Status::NotModified
        } else {
            Status::Ok
        },
        date,
    )
    .field("Content-Type", asset.content_type)
    .field("Cache-Control", "no-cache")
    .field("ETag", tag)
    .field("X-Content-Type-Options", "nosniff");
    Answer::Respond(Response::new(
        secured(head, origins),
        (!fresh).then_some(body),
    ))
}

/// Every frame of a camera from now on. Never chunked, never kept alive, not to be stored or held
/// back by a proxy.
pub fn stream(
    number: Option<usize>,
    request: &Request,
    fields: &Fields,
    view: &View<'_, impl Transport>,
) -> Result<Answer, Problem> {
    let camera = parameters::camera(number, request, &view.camera_names())?;
    let rate_limit = parameters::rate_limit(request)?;
    let framing = parameters::framing(request)?;
    let delay = parameters::delay(request, view.hub.live().channels[camera].history.span())?;
    if !view.has_room() {
        return Err(Problem::not_now("Too many viewers; try again later.", 5));
    }
    let division = view.hub.live().part_format();
    let boundary = division.boundary;
    let head = uncached(ResponseHead::new(Status::Ok).field(
        "Content-Type",
        format_args!("multipart/x-mixed-replace; boundary={boundary}"),
    ))
    .field("Connection", "close")
    .field("X-Accel-Buffering", "no");
    let head = fields.put(head).encode();
    if request.method == crate::wire::http::Method::Head {
        return Ok(Answer::Preformed(head));
    }
    let mut label = request.parameter("key").unwrap_or_default().into_owned();
    if label.len() > LABEL_BYTES_MAX {
        label.clear();
    }
    let head = [head, multipart::preamble(division, framing)]
        .concat()
        .into();
    Ok(Answer::Subscribe(Subscription {
        camera,
        framing,
        delay,
        rate_limit,
        label,
        head,
    }))
}

/// One frame: the newest at once, or a newer one than the requester has.
///
/// A camera without viewers is not running: the request starts it, and the answer waits for a frame
/// from after its warm-up. `request` is that of `call`, perhaps narrowed to the camera that it may
/// see.
pub fn snapshot(
    number: Option<usize>,
    request: &Request,
    call: &Call,
    view: &View<'_, impl Transport>,
) -> Result<Answer, Problem> {
    let camera = parameters::camera(number, request, &view.camera_names())?;
    let after = parameters::whole_number("after", request)?.unwrap_or(0);
    let age_max = parameters::whole_number("max_age", request)?.map(Duration::from_millis);
    let age_max = age_max.or(view.snapshot_max_age);

    let live = view.hub.live().channels[camera].live.as_ref();
    // A frame that was captured after the request is never too old for it.
    let waiting = view.now.saturating_duration_since(call.asked_at);
    let too_old =
        |frame: &Frame| age_max.is_some_and(|age_max| frame.age(view.now) > age_max.max(waiting));
    let is_cold = !call.waited && view.cameras[camera].is_warming_up;
    let stale_will_do = request.parameter("stale").is_some_and(|stale| stale == "1");
    if let Some(outage) = view.cameras[camera].outage_sentence() {
        return match live.filter(|frame| stale_will_do && frame.sequence > after) {
            Some(frame) => Ok(Answer::Respond(still(frame, false, request, view))),
            None => Err(Problem::not_now(outage, 1)),
        };
    }
    match live {
        Some(frame) if frame.sequence > after && !too_old(frame) && !is_cold => {
            Ok(Answer::Respond(Response {
                still_of: Some(camera),
                ..still(frame, true, request, view)
            }))
        }
        _ if call.waited => Err(Problem::not_now("Timed out waiting for a frame.", 1)),
        Some(frame) => Ok(Answer::Wait(Awaited::Frame {
            camera,
            after: frame.sequence.max(after),
        })),
        None => Ok(Answer::Wait(Awaited::Frame { camera, after })),
    }
}

/// The last seconds that are kept of a camera: of one that has stopped, the last ones before that.
pub fn clip(
    format: clip::Format,
    request: &Request,
    view: &View<'_, impl Transport>,
) -> Result<Answer, Problem> {
    let camera = parameters::camera(None, request, &view.camera_names())?;
    let history = &view.hub.live().channels[camera].history;
    if history.span().is_zero() {
        return Err(Problem::not_found(parameters::NO_HISTORY));
    }
    let length = parameters::seconds(request, history.span(), CLIP_SECONDS)?;
    if !view.has_room_for_clip() {
        return Err(Problem::not_now(
            "Too many clips are being sent; try again later.",
            5,
        ));
    }
    let mut frames: Vec<&Frame> = history.last(length).collect();
    if let (clip::Format::Avi, Some(newest)) = (format, frames.last()) {
        // One file has one size.
        let size = |frame: &Frame| (frame.picture.width, frame.picture.height);
        let newest = size(newest);
        let first = frames
            .iter()
            .rposition(|frame| size(frame) != newest)
            .map_or(0, |other| other.saturating_add(1));
        frames.drain(..first);
    }
    let name = view.cameras[camera].name;
    let Some(first) = frames.first() else {
        return Err(Problem::not_now(
            format!(
                "Nothing is kept of {name} yet: a camera runs while it is watched, or with --always-on."
            ),
            1,
        ));
    };
    // Colons are nothing for the name of a file.
    let time = humantime::format_rfc3339_seconds(first.captured_wall.into())
        .to_string()
        .replace(':', "");
    let clip = Clip::new(format, &frames).map_err(|error| {
        Problem::bad(format!(
            "That is too long a clip: {error}. Ask for fewer seconds, or for /clip.mjpeg."
        ))
    })?;
    let disposition = attachment(&format!("{name}-{time}.{}", format.extension()));
    let head = dynamic(Status::Ok, format.content_type(), view.wall_time)
        .field("Content-Disposition", disposition)
        .field("X-Frames", frames.len());
    Ok(Answer::Stream(head, Box::new(clip)))
}

/// A table of a camera's frames, made as it is sent.
pub fn table(
    request: &Request,
    scope: Scope,
    waited: bool,
    origins: &Origins,
    view: &View<'_, impl Transport>,
) -> Result<Answer, Problem> {
    let camera = parameters::camera(None, request, &view.camera_names())?;
    let rows = parameters::rows(request)?;
    let is_endless = rows.is_none();
    if !is_endless && view.hub.live().event_log.frames_after(camera, 0).len() == 0 {
        // There is no past to repeat yet.
        return match view.cameras[camera].outage_sentence() {
            Some(outage) => Err(Problem::not_now(outage, 1)),
            None if waited => Err(Problem::not_now("Timed out waiting for a frame.", 1)),
            None => Ok(Answer::Wait(Awaited::Frame { camera, after: 0 })),
        };
    }
    let name = view.cameras[camera].name;
    let token = request
        .parameter("token")
        .map(|token| (token.into_owned(), scope));
    let head = secured(
        dynamic(Status::Ok, "text/html; charset=utf-8", view.wall_time),
        origins,
    )
    .field("X-Accel-Buffering", "no");
    Ok(Answer::Stream(
        head,
        Box::new(Table::new(camera, name, rows).carrying(token)),
    ))
}

/// Events from now on, or from where a listener stopped. In the scope of one camera, those of its
/// frames alone.
pub fn events(
    request: &Request,
    scope: Scope,
    view: &View<'_, impl Transport>,
) -> Result<Answer, Problem> {
    let only = request
        .parameter("camera")
        .is_some_and(|name| !name.is_empty());
    let chosen = parameters::camera(None, request, &view.camera_names())?;
    let tells_frames = parameters::flag("frames", request)?;
    let tells_loop = parameters::flag("loop", request)?;
    let last = parameters::last_event(request)?;
    let cameras = view
        .cameras
        .iter()
        .map(|camera| camera.name.to_owned())
        .enumerate();
    let cameras = cameras
        .filter(|&(index, _)| tells_frames && (!only || index == chosen))
        .collect();
    let mut events = Events::new(cameras, tells_loop, last, &view.hub.live().event_log);
    if scope != Scope::Everything {
        events = events.without_state();
    }
    let head =
        dynamic(Status::Ok, sse::CONTENT_TYPE, view.wall_time).field("X-Accel-Buffering", "no");
    Ok(Answer::Stream(head, Box::new(events)))
}

/// The state, as JSON. In the scope of one camera, its own: of viewers, only those whose keys the
/// request knows.
pub fn state(
    request: &Request,
    scope: Scope,
    view: &View<'_, impl Transport>,
    snapshot: impl FnOnce(Option<&[&str]>) -> Snapshot,
) -> Result<Answer, Problem> {
    let camera = parameters::camera(None, request, &view.camera_names())?;
    let labels = request.parameter("key");
    let labels: Option<Vec<&str>> = labels.as_deref().map(|labels| labels.split(',').collect());
    let (snapshot, selected) = match scope {
        Scope::Everything => (snapshot(labels.as_deref()), camera),
        Scope::Camera(camera) => {
            let labels: Vec<&str> = labels
                .unwrap_or_default()
                .into_iter()
                .filter(|label| !label.is_empty())
                .collect();
            (snapshot(Some(&labels)).of_camera_alone(camera), 0)
        }
    };
    let head = dynamic(Status::Ok, "application/json", view.wall_time);
    // Plain numbers and words always serialise; were it otherwise, an empty body would show it.
    Ok(respond(
        head,
        serde_json::to_vec(&State::new(&snapshot, selected)).unwrap_or_default(),
    ))
}

/// Metrics, for Prometheus: in OpenMetrics if the requester knows that, else in the older text
/// format.
pub fn metrics(
    request: &Request,
    date: WallTime,
    snapshot: impl FnOnce(Option<&[&str]>) -> Snapshot,
) -> Answer {
    let format = Format::of(request);
    // Viewers are counted, but none is listed.
    let metrics = metrics::write(snapshot(Some(&[])), format);
    respond(
        dynamic(Status::Ok, format.content_type(), date),
        metrics.unwrap_or_default(),
    )
}

/// Whether the server is healthy, for service managers and load balancers.
pub fn health(request: &Request, view: &View<'_, impl Transport>) -> Result<Answer, Problem> {
    let is_strict = parameters::flag("strict", request)?;
    let offline = || {
        let outages: Vec<String> = view
            .cameras
            .iter()
            .filter_map(CameraView::outage_sentence)
            .collect();
        (is_strict && !outages.is_empty()).then(|| outages.join(" "))
    };
    match view.unhealthy_reason().or_else(offline) {
        None => Ok(respond(
            dynamic(Status::Ok, "text/plain; charset=utf-8", view.wall_time),
            "ok\n",
        )),
        Some(reason) => Err(Problem::not_now(reason, 5)),
    }
}

/// Reports that a camera cannot be controlled by a request.
pub fn control() -> Problem {
    Problem::not_implemented(
        "framecast does not control cameras by requests; set controls with the source, as in --camera \
         '/dev/video0?brightness=128'.",
    )
}

/// No such address.
pub fn unknown(request: &Request) -> Problem {
    Problem::not_found(format!(
        "There is nothing at {}. There is: / (the viewer page), /video_feed and /stream, /snapshot, /clip.mjpeg, \
         /clip.avi, /table, /events, /loop, /state, /metrics, /healthz.",
        request.path
    ))
}

/// A picture, with ustreamer's fields for what it says of a picture too.
fn still(
    frame: &Frame,
    online: bool,
    request: &Request,
    view: &View<'_, impl Transport>,
) -> Response {
    let captured = frame.captured_wall;
    let tag = format!(
        "\"{}-{}\"",
        frame.sequence,
        captured.since_epoch().as_micros()
    );
    let fresh = is_known(request, &tag);
    let head = uncached(dated(
        if fresh {
            Status::NotModified
        } else {
            Status::Ok
        },
        view.wall_time,
    ))
    .field("Content-Type", "image/jpeg")
    .field("ETag", tag)
    .field("X-Timestamp", captured)
    .field("X-Frame-Sequence", frame.sequence)
    .field("X-Frame-Age", frame.age(view.now).as_millis())
    .field("X-UStreamer-Online", online)
    .field("X-UStreamer-Width", frame.picture.width)
    .field("X-UStreamer-Height", frame.picture.height);
    Response::new(head, (!fresh).then(|| frame.jpeg()))
}

/// Spells a `Content-Disposition` that saves a file as `name` (RFC 6266, section 4.3): in ASCII,
/// and in UTF-8 for clients that know RFC 8187.
fn attachment(name: &str) -> String {
    let is_plain = |character: char| {
        character.is_ascii_graphic() && !matches!(character, '"' | '\\' | '/' | '%')
    };
    let plain: String = name
        .chars()
        .map(|character| if is_plain(character) { character } else { '_' })
        .collect();
    if plain == name {
        return format!("attachment; filename=\"{plain}\"");
    }
    format!(
        "attachment; filename=\"{plain}\"; filename*=UTF-8''{}",
        utf8_percent_encode(name, NON_ALPHANUMERIC)
    )
}

/// Whether the requester says that it has what `tag` stands for (RFC 9110, section 13.1.2).
fn is_known(request: &Request, tag: &str) -> bool {
    let known = request.field("If-None-Match").unwrap_or_default();
    known
        .split(',')
        .map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_name_in_any_script_is_spelt_in_ascii_too() {
        assert_eq!(
            attachment("front-1.avi"),
            "attachment; filename=\"front-1.avi\""
        );
        let spelt = "attachment; filename=\"K_che__.avi\"; filename*=UTF-8''K%C3%BCche%20%22%2Eavi";
        assert_eq!(attachment("K\u{fc}che \".avi"), spelt);
    }
}
