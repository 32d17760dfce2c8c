//! The deterministic heart: connections, their write queues, and the channels that fan each frame out.
//!
//! Nothing here knows a socket or a clock. Bytes come and go through the [`Transport`] a caller hands in, time is an
//! argument called `now`, and everything is an ordinary value: feed the same calls in the same order and the same
//! bytes come out. That is what lets a simulation drive this very code through a million accidents.
//!
//! Reading order: [`frame`] (one picture), [`queue`] (the bytes on their way to one peer), [`viewer`] (what asks for
//! the next frame), [`connection`] (one peer), [`hub`] (all of them, and their turn), [`channel`] (the newest frame and
//! its subscribers), [`history`] (frames before it), [`journal`] and [`producer`] (bodies that are made as they are
//! sent).

pub mod answer;
pub mod channel;
pub mod client_net;
pub mod connection;
pub mod frame;
pub mod histogram;
pub mod history;
pub mod hub;
pub mod journal;
pub mod key;
pub mod limits;
pub mod metrics;
pub mod numbering;
pub mod pace;
pub mod peer;
pub mod pinned;
pub mod producer;
pub mod queue;
pub mod sabotage;
pub mod timers;
pub mod viewer;

pub use answer::{Answer, Awaited, Permit, Reply, Response, Subscription};
pub use client_net::{ClientNet, Network, TrustedProxies};
pub use connection::{Readiness, Transport};
pub use frame::Frame;
pub use histogram::Histogram;
pub use history::History;
pub use hub::{Hub, Tick, Turned, Wake};
pub use journal::{Journal, Topic};
pub use key::Key;
pub use limits::Limits;
pub use pace::Pace;
pub use peer::Peer;
pub use producer::{Next, Producer, Production, Purpose};
