//! The response of each route.

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

/// Limit of a viewer's label (`key=`). A longer one is ignored.
const LABEL_BYTES_MAX: usize = 64;

/// Length of a clip without `seconds=`.
const CLIP_SECONDS: f64 = 10.0;

/// Returns the allowed methods, the same at every path (RFC 9110, section 9.3.7).
pub fn options() -> Answer {
    Answer::Respond(Response::new(
        ResponseHead::new(Status::NoContent).field("Allow", ALLOW),
        None,
    ))
}

/// Returns a file of the pages. A browser caches it and revalidates it each time. A page with a
/// token in its links is not cached.
pub fn asset(
    asset: &'static Asset,
    request: &Request,
    scope: Scope,
    origins: &Origins,
    date: WallTime,
) -> Answer {
    if let Some((token, text)) = request.parameter("token").zip(asset.linking_text()) {
        let head = secured(dynamic(Status::Ok, asset.content_type, date), origins);
        return respond(head, token::add_to_links(text, &token, scope));
    }
    let body = Bytes::from_static(asset.body);
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let fresh = matches_etag(request, &tag);
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

/// Subscribes to a camera's frames. The response is neither chunked nor kept alive, and proxies
/// must neither store nor buffer it.
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
        return Err(Problem::unavailable(
            "Too many viewers; try again later.",
            5,
        ));
    }
    let division = view.hub.live().part_format();
    let boundary = division.boundary;
    let head = uncached(ResponseHead::new(Status::Ok).field(
        "Content-Type",
        format_args!("multipart/x-mixed-replace; boundary={boundary}"),
    ))
    .field("Connection", "close")
    .field("X-Accel-Buffering", "no");
    let head = fields.add_to(head).encode();
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

/// Returns the newest frame, or waits for one that is new enough for `after=` and `max_age=`.
///
/// A camera without viewers is stopped: the request starts it, and waits for a frame after its
/// warm-up. `request` is that of `call`, or a copy that names the camera of a token's scope.
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
    // A frame that was captured after the request is never too old.
    let waiting = view.now.saturating_duration_since(call.asked_at);
    let too_old =
        |frame: &Frame| age_max.is_some_and(|age_max| frame.age(view.now) > age_max.max(waiting));
    let is_cold = !call.waited && view.cameras[camera].is_warming_up;
    let accepts_stale = request.parameter("stale").is_some_and(|stale| stale == "1");
    if let Some(outage) = view.cameras[camera].outage_sentence() {
        return match live.filter(|frame| accepts_stale && frame.sequence > after) {
            Some(frame) => Ok(Answer::Respond(still(frame, false, request, view))),
            None => Err(Problem::unavailable(outage, 1)),
        };
    }
    match live {
        Some(frame) if frame.sequence > after && !too_old(frame) && !is_cold => {
            Ok(Answer::Respond(Response {
                still_of: Some(camera),
                ..still(frame, true, request, view)
            }))
        }
        _ if call.waited => Err(Problem::unavailable("Timed out waiting for a frame.", 1)),
        Some(frame) => Ok(Answer::Wait(Awaited::Frame {
            camera,
            after: frame.sequence.max(after),
        })),
        None => Ok(Answer::Wait(Awaited::Frame { camera, after })),
    }
}

/// Returns the last seconds of a camera's history as a file. A stopped camera keeps its history.
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
        return Err(Problem::unavailable(
            "Too many clips in progress; try again later.",
            5,
        ));
    }
    let mut frames: Vec<&Frame> = history.last(length).collect();
    if let (clip::Format::Avi, Some(newest)) = (format, frames.last()) {
        // An AVI has one picture size: older frames of another size are left out.
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
        return Err(Problem::unavailable(
            format!(
                "The history of camera {name} is empty; watch the camera, or start the server with --always-on."
            ),
            1,
        ));
    };
    // Windows allows no colon in a file name.
    let time = humantime::format_rfc3339_seconds(first.captured_wall.into())
        .to_string()
        .replace(':', "");
    let clip = Clip::new(format, &frames).map_err(|error| {
        Problem::bad_request(format!(
            "The clip is too long: {error}; request fewer seconds, or /clip.mjpeg."
        ))
    })?;
    let disposition = attachment(&format!("{name}-{time}.{}", format.extension()));
    let head = dynamic(Status::Ok, format.content_type(), view.wall_time)
        .field("Content-Disposition", disposition)
        .field("X-Frames", frames.len());
    Ok(Answer::Stream(head, Box::new(clip)))
}

/// Returns a table of a camera's frames, rendered while it is sent.
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
        // There are no frames to fill the rows with yet.
        return match view.cameras[camera].outage_sentence() {
            Some(outage) => Err(Problem::unavailable(outage, 1)),
            None if waited => Err(Problem::unavailable("Timed out waiting for a frame.", 1)),
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
        Box::new(Table::new(camera, name, rows).with_token(token)),
    ))
}

/// Subscribes to events, from now on or after `Last-Event-ID`. The scope of one camera grants its
/// `frame` events only.
pub fn events(
    request: &Request,
    scope: Scope,
    view: &View<'_, impl Transport>,
) -> Result<Answer, Problem> {
    let only = request
        .parameter("camera")
        .is_some_and(|name| !name.is_empty());
    let chosen = parameters::camera(None, request, &view.camera_names())?;
    let with_frames = parameters::flag("frames", request)?;
    let with_loop = parameters::flag("loop", request)?;
    let last = parameters::last_event(request)?;
    let cameras = view
        .cameras
        .iter()
        .map(|camera| camera.name.to_owned())
        .enumerate();
    let cameras = cameras
        .filter(|&(index, _)| with_frames && (!only || index == chosen))
        .collect();
    let mut events = Events::new(cameras, with_loop, last, &view.hub.live().event_log);
    if scope != Scope::Everything {
        events = events.without_state();
    }
    let head =
        dynamic(Status::Ok, sse::CONTENT_TYPE, view.wall_time).field("X-Accel-Buffering", "no");
    Ok(Answer::Stream(head, Box::new(events)))
}

/// Returns the state as JSON. The scope of one camera grants the state of that camera, and the
/// viewers whose keys the request names.
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
            (snapshot(Some(&labels)).for_camera(camera), 0)
        }
    };
    let head = dynamic(Status::Ok, "application/json", view.wall_time);
    // Numbers and strings always serialize; an error would result in an empty body.
    Ok(respond(
        head,
        serde_json::to_vec(&State::new(&snapshot, selected)).unwrap_or_default(),
    ))
}

/// Returns the metrics for Prometheus, in OpenMetrics if the client accepts it, else in the older
/// text format.
pub fn metrics(
    request: &Request,
    date: WallTime,
    snapshot: impl FnOnce(Option<&[&str]>) -> Snapshot,
) -> Answer {
    let format = Format::of(request);
    // The empty list of labels lists no viewers.
    let metrics = metrics::write(snapshot(Some(&[])), format);
    respond(
        dynamic(Status::Ok, format.content_type(), date),
        metrics.unwrap_or_default(),
    )
}

/// Returns 200 if the server is healthy, else 503, for service managers and load balancers.
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
        Some(reason) => Err(Problem::unavailable(reason, 5)),
    }
}

/// Returns the error for a camera control.
pub fn control() -> Problem {
    Problem::not_implemented(
        "Camera controls cannot be set over HTTP; set them in the source, such as --camera \
         '/dev/video0?brightness=128'.",
    )
}

/// Returns the error for an unknown path.
pub fn unknown(request: &Request) -> Problem {
    Problem::not_found(format!(
        "Unknown path {}; available are / (the viewer page), /video_feed and /stream, /snapshot, /clip.mjpeg, \
         /clip.avi, /table, /events, /loop, /state, /metrics, /healthz.",
        request.path
    ))
}

/// Returns a snapshot, with the header fields of framecast and those of ustreamer.
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
    let fresh = matches_etag(request, &tag);
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

/// Returns a `Content-Disposition` that saves a file as `name` (RFC 6266, section 4.3), in ASCII
/// and, for clients that know RFC 8187, in UTF-8.
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

/// Returns whether `If-None-Match` contains `tag` (RFC 9110, section 13.1.2).
fn matches_etag(request: &Request, tag: &str) -> bool {
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
    fn file_name_in_any_script_has_an_ascii_fallback() {
        assert_eq!(
            attachment("front-1.avi"),
            "attachment; filename=\"front-1.avi\""
        );
        let encoded =
            "attachment; filename=\"K_che__.avi\"; filename*=UTF-8''K%C3%BCche%20%22%2Eavi";
        assert_eq!(attachment("K\u{fc}che \".avi"), encoded);
    }
}
