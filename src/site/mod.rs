//! What is answered: which address means what, and what stands there.
//!
//! A request and the [`Scene`] go in, an [`Answer`] comes out. Nothing here knows a connection or a file: what is
//! served was built into the program or is made from the scene.

mod assets;
pub mod clip;
pub mod events;
pub mod lanes;
mod metrics;
mod pages;
mod parameters;
mod routes;
pub mod state;
pub mod table;

use std::time::{Duration, Instant};

pub use routes::Route;

use crate::stream::hub::Call;
use crate::stream::{Answer, Frame, History, Journal};
use crate::wire::http::Method;

/// What the site may see of the server.
pub trait Scene {
    /// The cameras' names, in the order they were given.
    fn camera_names(&self) -> Vec<&str>;
    /// The newest frame of a camera, from 0.
    fn frame(&self, camera: usize) -> Option<&Frame>;
    /// Why a camera gives no frames, if its viewers are being told so.
    fn outage(&self, camera: usize) -> Option<String>;
    /// Whether there is room for one more viewer.
    fn has_room(&self) -> bool;
    /// The frames of a camera's last while.
    fn history(&self, camera: usize) -> &History;
    /// Whether there is room for one more clip to be sent.
    fn has_room_for_clip(&self) -> bool;
    /// The word that divides the parts of a stream.
    fn boundary(&self) -> &str;
    /// What is known of past frames.
    fn journal(&self) -> &Journal;
    /// Figures of everything, seen from `camera`; of the viewers only those with one of `labels`, if given.
    fn state(&self, camera: usize, labels: Option<&[&str]>) -> state::State;
    /// Why the server does not do its work, if it does not.
    fn complaint(&self) -> Option<String>;
    /// The monotonic time of this turn.
    fn now(&self) -> Instant;
    /// The wall time of this turn, as a time since the Unix epoch.
    fn wall_time(&self) -> Duration;
}

/// Answers one request.
pub fn answer(call: &Call, scene: &impl Scene) -> Answer {
    let request = &*call.request;
    if request.method == Method::Options {
        return pages::options();
    }
    let answered = match Route::of(request) {
        Route::Asset(asset) => Ok(pages::asset(asset, request, scene)),
        Route::Stream { number } => pages::stream(number, request, scene),
        Route::Snapshot { number } => pages::snapshot(number, request, call.waited, scene),
        Route::Clip(format) => clip::answer(format, request, scene),
        Route::Table => pages::table(request, call.waited, scene),
        Route::Events => pages::events(request, scene),
        Route::State => pages::state(request, scene),
        Route::Metrics => Ok(pages::metrics(request, scene)),
        Route::Health => Ok(pages::health(scene)),
        Route::Unknown => Err(pages::unknown(request)),
    };
    answered.unwrap_or_else(|problem| problem.answer(scene))
}
