//! The core: connections, their bodies, and the turn.
//!
//! Inputs come between two turns, in any number and order: [`Hub::admit`], [`Hub::ready`],
//! [`Hub::publish`] and others. [`Hub::turn`] does the work, and [`Hub::next_wake`] returns when to
//! call it next. The caller's `answer` replies to requests, so the hub knows no route. A
//! [`Transport`] carries the bytes and time is an argument, so the hub knows no socket and no
//! clock. The same calls in the same order produce the same bytes, which the simulation relies on.
//!
//! The values that the hub works with are in [`crate::stream`].

pub mod connection;
pub mod connections;
pub mod inputs;
pub mod sending;
pub mod steps;
#[cfg(test)]
mod tests;
pub mod turn;

pub use crate::stream::answer::{Answer, Awaited, Call, Permit, Reply, Response, Subscription};
pub use crate::stream::body::{Body, BodyKind, Next};
pub use crate::stream::{Key, Limits, Readiness, Tick, Transport, Turned, Wake};
pub use inputs::Hub;
