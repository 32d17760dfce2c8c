//! Routes: the meaning of each path. A path is compared as a whole and without decoding, so each
//! resource has exactly one.

use super::assets::{self, Asset};
use super::clip::Format;
use super::parameters;
use crate::wire::http::Request;

/// The resource of a request.
#[derive(Clone, Copy, Debug)]
pub enum Route {
    /// A page, script, style sheet or image.
    Asset(&'static Asset),
    /// A multipart stream.
    Stream {
        /// The index of the camera, if the path names it (`/?action=stream_N`).
        number: Option<usize>,
    },
    /// One JPEG.
    Snapshot {
        /// The index of the camera, if the path names it (`/?action=snapshot_N`).
        number: Option<usize>,
    },
    /// The last seconds of a camera as a file.
    Clip(Format),
    /// An HTML table of frames, rendered while it is sent.
    Table,
    /// Server-sent events.
    Events,
    /// The state as JSON.
    State,
    /// Metrics for Prometheus.
    Metrics,
    /// The health check.
    Health,
    /// A camera control of mjpg-streamer, which framecast does not support.
    Control,
    /// An unknown path.
    Unknown,
}

impl Route {
    /// Returns the route of a request. mjpg-streamer's addresses are `/?action=...`, so the query
    /// decides there.
    pub fn of(request: &Request) -> Self {
        match request.path.as_str() {
            "/" => request
                .parameter("action")
                .map_or(Route::Asset(&assets::VIEWER), |action| {
                    Route::of_action(&action)
                }),
            "/video_feed" | "/stream" => Route::Stream { number: None },
            "/snapshot" | "/snapshot.jpg" => Route::Snapshot { number: None },
            "/clip.mjpeg" => Route::Clip(Format::Mjpeg),
            "/clip.avi" => Route::Clip(Format::Avi),
            "/table" => Route::Table,
            "/events" => Route::Events,
            "/state" => Route::State,
            "/metrics" => Route::Metrics,
            "/healthz" => Route::Health,
            path if is_control(path) => Route::Control,
            path => assets::find(path).map_or(Route::Unknown, Route::Asset),
        }
    }

    /// Returns whether it is a stream or a snapshot.
    pub fn is_picture(self) -> bool {
        matches!(self, Route::Stream { .. } | Route::Snapshot { .. })
    }

    fn of_action(action: &str) -> Self {
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let action = action
            .split(|character| !is_word(character))
            .next()
            .unwrap_or_default();
        let (verb, number) = match action.split_once('_') {
            Some((verb, number)) => match number.parse() {
                Ok(number) => (verb, Some(number)),
                Err(_) => return Route::Unknown,
            },
            None => (action, None),
        };
        match verb {
            "stream" => Route::Stream { number },
            "snapshot" => Route::Snapshot { number },
            "" => Route::Asset(&assets::VIEWER),
            _ => Route::Control,
        }
    }
}

/// Returns whether `path` is one by which programs for mjpg-streamer list and set camera controls.
fn is_control(path: &str) -> bool {
    let name = path.strip_prefix('/').unwrap_or_default();
    let name = name
        .strip_suffix(".json")
        .or_else(|| name.strip_suffix(".htm"))
        .unwrap_or_default();
    let word = name
        .split_once('_')
        .map_or(name, |(word, number)| match number.parse::<u8>() {
            Ok(_) => word,
            Err(_) => name,
        });
    matches!(word, "input" | "output" | "program" | "control")
}

/// Returns whether a token for one camera, the one at index `camera` of `names`, grants access to a
/// request: to the page and its files, and to streams, snapshots, clips, table, state and events of
/// that camera or of no particular one; not to the event loop and the metrics of the server.
pub fn is_of_camera(request: &Request, camera: usize, names: &[&str]) -> bool {
    let number = match Route::of(request) {
        Route::Stream { number } | Route::Snapshot { number } => number,
        Route::Events
            if request
                .parameter("loop")
                .is_some_and(|wanted| wanted == "1") =>
        {
            return false;
        }
        Route::Asset(asset) if asset.path == "/loop" => return false,
        Route::Asset(_) | Route::Clip(_) | Route::Table | Route::State | Route::Events => None,
        Route::Metrics | Route::Health | Route::Control | Route::Unknown => return false,
    };
    if parameters::names_no_camera(number, request) {
        true
    } else {
        parameters::find_camera(number, request, names) == Some(camera)
    }
}
