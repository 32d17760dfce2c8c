//! The core: connections, their bodies, and the turn.
//!
//! Inputs come between two turns, in any number and order: [`Hub::admit`], [`Hub::ready`],
//! [`Hub::publish`] and others. [`Hub::turn`] does the work, and [`Hub::next_wake`] returns when to
//! call it next. The caller's `answer` replies to requests, so the hub knows no route. A
//! [`Transport`] carries the bytes and time is an argument, so the hub knows no socket and no
//! clock. The same calls in the same order produce the same bytes, which the simulation relies on.
//!
//! The values that the hub works with are re-exported here. In the source they are in `src/stream`,
//! one file each.

mod connection;
mod connections;
mod inputs;
mod sending;
mod steps;
#[cfg(all(test, feature = "server"))]
mod tests;
mod turn;

pub use crate::stream::answer::{Answer, Awaited, Call, Permit, Reply, Response, Subscription};
pub use crate::stream::body::{Body, BodyKind, Chunk, Next, Sent, Shown};
pub use crate::stream::client_net::{ClientNet, Network, NetworkError, TrustedProxies};
pub use crate::stream::counts::{CloseReason, Closes, FrameCounts, Totals, WriteCounts};
pub use crate::stream::{
    Captured, Channel, EventLog, Frame, FrameRecord, Histogram, History, Key, Limits, Live, Peer,
    RateLimit, Readiness, Tick, Topic, Transport, Turned, Viewer, Wake, WriteQueue,
};
pub use connection::{Connection, State};
pub use connections::Connections;
pub use inputs::Hub;
pub use sending::Sending;
