//! The core: connections, their bodies, and the turn.
//!
//! Inputs come between two turns, in any number and order: [`Hub::admit`], [`Hub::ready`],
//! [`Hub::publish`] and the like. [`Hub::turn`] does what they have made due, and
//! [`Hub::next_wake`] returns when to take the next turn. The hub passes each request to its
//! caller's `answer`, so it knows no route; bytes come and go through a [`Transport`], and time is
//! an argument, so it knows no socket and no clock. The same calls in the same order give the same
//! bytes: a simulation drives this very code through a million accidents.
//!
//! The values that pass through are in [`crate::stream`].

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
