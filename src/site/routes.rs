//! Which address means what. Paths are matched whole and nothing in them is decoded, so there is no
//! second way to say one.

use super::assets::{self, Asset};
use super::clip::Format;
use super::parameters;
use crate::wire::http::Request;

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub enum Route {
    /// A page, or something that one needs.
    Asset(&'static Asset),
    /// Frames without end.
    Stream {
        /// The camera's place, where the address itself names one (`/?action=stream_N`).
        number: Option<usize>,
    },
    /// One frame.
    Snapshot {
        /// The camera's place, where the address itself names one (`/?action=snapshot_N`).
        number: Option<usize>,
    },
    /// The last seconds of a camera, as a file.
    Clip(Format),
    /// A table of frames, made as it is sent.
    Table,
    /// Server-sent events.
    Events,
    /// Figures, as JSON.
    State,
    /// Figures, for Prometheus.
    Metrics,
    /// Whether all is well.
    Health,
    /// A control of mjpg-streamer, which framecast does not have.
    Control,
    /// None of these.
    Unknown,
}

impl Route {
    /// The route of a request. `/?action=...` is how mjpg-streamer spells its addresses, and is
    /// told by the query.
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

    /// Whether it is a picture, moving or not.
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

/// Whether `path` is one of those by which pages and programs for mjpg-streamer list and set what a
/// camera can do.
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

/// Whether a request asks for something of the camera at place `camera` among `names` alone, or
/// leaves open of which: the page and what it needs, pictures, clips, the table, figures and
/// events, but not the figures of the loop and of the server as a whole.
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
    if parameters::is_camera_open(number, request) {
        true
    } else {
        parameters::find_camera(number, request, names) == Some(camera)
    }
}
