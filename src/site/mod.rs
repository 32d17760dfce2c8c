//! The HTTP front: routes, pages, metrics and access control.
//!
//! [`answer`] makes an [`Answer`] of a request and a [`View`] of the server. This module knows
//! neither sockets nor files: it serves what is built into the program or taken from the view.

// Times, numbers and sizes that a camera states meet arithmetic here.
#![deny(clippy::arithmetic_side_effects)]

mod assets;
#[allow(
    clippy::arithmetic_side_effects,
    reason = "its times and counts are the server's own"
)]
pub mod auth;
pub mod clip;
pub mod connection_view;
pub mod events;
mod metrics;
pub mod origins;
mod pages;
mod parameters;
pub mod refusals;
mod reply;
mod routes;
pub mod snapshot;
mod state;
pub mod table;
mod token;
pub mod view;

pub use routes::Route;
pub use view::View;

use self::auth::{Access, Decision, Policy, Scope};
use self::origins::{Fields, Origins};
use self::reply::Problem;
use self::snapshot::Snapshot;
use crate::hub::{Answer, Awaited, Call, Transport};
use crate::wire::http::Method;

/// Answers one request. `decision` is that of the authenticator with this `policy`. `snapshot`
/// takes a snapshot that lists the viewers with the given labels, or else the first viewers. Taking
/// one costs a pass over all connections, so it is called on demand.
pub fn answer<T: Transport>(
    call: &Call,
    decision: Decision,
    policy: &Policy,
    view: &View<'_, T>,
    snapshot: impl FnOnce(Option<&[&str]>) -> Snapshot,
) -> Answer {
    let route = Route::of(&call.request);
    let is_picture = matches!(decision, Decision::Pass(_)) && route.is_picture();
    let fields = policy.origins.fields(&call.request, is_picture);
    let answer = match decision {
        Decision::Pass(Access { scope, .. }) => pass(
            call,
            (route, scope),
            &policy.origins,
            &fields,
            view,
            snapshot,
        )
        .unwrap_or_else(|problem| problem.answer(view.wall_time)),
        Decision::Refuse(reason) => refusals::problem(reason, policy).answer(view.wall_time),
        Decision::Wait { ticket } => Answer::Wait(Awaited::CheckResult { ticket }),
    };
    match answer {
        Answer::Respond(mut response) => {
            response.head = fields.add_to(response.head);
            Answer::Respond(response)
        }
        Answer::Stream(head, body) => Answer::Stream(fields.add_to(head), body),
        // The head of a multipart stream has the fields already.
        answer => answer,
    }
}

fn pass<T: Transport>(
    call: &Call,
    (route, scope): (Route, Scope),
    origins: &Origins,
    fields: &Fields,
    view: &View<'_, T>,
    snapshot: impl FnOnce(Option<&[&str]>) -> Snapshot,
) -> Result<Answer, Problem> {
    let narrowed;
    let request = match scope {
        Scope::Everything => &*call.request,
        Scope::Camera(camera) => {
            narrowed = parameters::for_camera(&call.request, view.cameras[camera].name);
            &narrowed
        }
    };
    if request.method == Method::Options {
        return Ok(pages::options());
    }
    match route {
        Route::Asset(asset) => Ok(pages::asset(asset, request, scope, origins, view.wall_time)),
        Route::Stream { number } => pages::stream(number, request, fields, view),
        Route::Snapshot { number } => pages::snapshot(number, request, call, view),
        Route::Clip(format) => pages::clip(format, request, view),
        Route::Table => pages::table(request, scope, call.waited, origins, view),
        Route::Events => pages::events(request, scope, view),
        Route::State => pages::state(request, scope, view, snapshot),
        Route::Metrics => Ok(pages::metrics(request, view.wall_time, snapshot)),
        Route::Health => pages::health(request, view),
        Route::Control => Err(pages::control()),
        Route::Unknown => Err(pages::unknown(request)),
    }
}

#[cfg(test)]
mod tests;
