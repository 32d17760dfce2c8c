//! What is answered: which address means what, and what stands there.
//!
//! A request and the [`Scene`] go in, an [`Answer`] comes out. Nothing here knows a connection or a file: what is
//! served was built into the program or is made from the scene.

// Facts from outside meet arithmetic here: times, numbers and sizes that a camera states.
#![deny(clippy::arithmetic_side_effects)]

mod assets;
#[allow(clippy::arithmetic_side_effects, reason = "its clocks and counts are the server's own")]
pub mod auth;
pub mod clip;
pub mod events;
pub mod lanes;
mod metrics;
pub mod origins;
mod pages;
mod parameters;
pub mod refusals;
mod routes;
pub mod state;
pub mod table;
mod token;

use std::time::{Duration, Instant};

pub use routes::Route;

use self::auth::{Access, Decision, Policy, Scope};
use self::origins::{Fields, Origins};
use crate::hub::Call;
use crate::hub::{Answer, Awaited, Journal};
use crate::stream::{Frame, History};
use crate::wire::facts::WallTime;
use crate::wire::http::Method;
use crate::wire::multipart::Division;

/// What the site may see of the server.
pub trait Scene {
    /// The cameras' names, in the order they were given.
    fn camera_names(&self) -> Vec<&str>;
    /// Whether a camera has just been started, so that its pictures may still be dark or out of focus.
    fn is_warming_up(&self, _camera: usize) -> bool {
        false
    }
    /// The age up to which a frame will do for a snapshot that asks for no other.
    fn snapshot_max_age(&self) -> Option<Duration> {
        None
    }
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
    /// What is known of past frames.
    fn journal(&self) -> &Journal;
    /// How streams are divided.
    fn division(&self) -> Division<'_>;
    /// Figures of everything, seen from `camera`; of the viewers only those with one of `labels`, if given.
    fn state(&self, camera: usize, labels: Option<&[&str]>) -> state::State;
    /// Why the server does not do its work, if it does not.
    fn complaint(&self) -> Option<String>;
    /// The monotonic time of this turn.
    fn now(&self) -> Instant;
    /// The wall time of this turn.
    fn wall_time(&self) -> WallTime;
}

/// Answers one request, as an authenticator with this policy has decided.
pub fn answer(call: &Call, decision: Decision, policy: &Policy, scene: &impl Scene) -> Answer {
    let route = Route::of(&call.request);
    let is_picture = matches!(decision, Decision::Pass(_)) && route.is_picture();
    let fields = policy.origins.fields(&call.request, is_picture);
    let answer = match decision {
        Decision::Pass(Access { scope, .. }) => pass(call, (route, scope), &policy.origins, &fields, scene),
        Decision::Refuse(reason) => refusals::problem(reason, policy).answer(scene),
        Decision::Wait { ticket } => Answer::Wait(Awaited::CheckResult { ticket }),
    };
    match answer {
        Answer::Respond(mut response) => {
            response.head = fields.put(response.head);
            Answer::Respond(response)
        }
        Answer::Produce(mut production) => {
            production.head = fields.put(production.head);
            Answer::Produce(production)
        }
        // The head of a stream has them already.
        answer => answer,
    }
}

fn pass(call: &Call, (route, scope): (Route, Scope), origins: &Origins, fields: &Fields, scene: &impl Scene) -> Answer {
    let narrowed;
    let request = match scope {
        Scope::Everything => &*call.request,
        Scope::Camera(camera) => {
            narrowed = parameters::for_camera(&call.request, scene.camera_names()[camera]);
            &narrowed
        }
    };
    if request.method == Method::Options {
        return pages::options();
    }
    let answered = match route {
        Route::Asset(asset) => Ok(pages::asset(asset, request, scope, origins, scene)),
        Route::Stream { number } => pages::stream(number, request, fields, scene),
        Route::Snapshot { number } => pages::snapshot(number, request, call, scene),
        Route::Clip(format) => pages::clip(format, request, scene),
        Route::Table => pages::table(request, scope, call.waited, origins, scene),
        Route::Events => pages::events(request, scope, scene),
        Route::State => pages::state(request, scope, scene),
        Route::Metrics => Ok(pages::metrics(request, scene)),
        Route::Health => pages::health(request, scene),
        Route::Control => Err(pages::control()),
        Route::Unknown => Err(pages::unknown(request)),
    };
    answered.unwrap_or_else(|problem| problem.answer(scene))
}
