//! The values that the hub works with, one file each: frames, histories and counts, peers and their
//! networks, answers and bodies, limits.
//!
//! Nothing here uses the hub, a socket or a clock. Read [`crate::hub`] first.

pub mod answer;
pub mod body;
pub mod channel;
pub mod client_net;
pub mod counts;
pub mod event_log;
pub mod frame;
pub mod histogram;
pub mod history;
pub mod key;
pub mod limits;
pub mod live;
pub mod log_limit;
pub mod numbering;
pub mod peer;
pub mod queue;
pub mod rate_limit;
pub mod retained;
pub mod tally;
pub mod tick;
pub mod timers;
pub mod transport;
pub mod viewer;

pub use body::Body;
pub use channel::Channel;
pub use counts::CloseReason;
pub use event_log::{EventLog, FrameRecord, Topic};
pub use frame::{Captured, Frame};
pub use histogram::Histogram;
pub use history::History;
pub use key::Key;
pub use limits::Limits;
pub use live::Live;
pub use peer::Peer;
pub use queue::WriteQueue;
pub use rate_limit::RateLimit;
pub use tick::{Tick, Turned, Wake};
pub use transport::{Readiness, Transport};
pub use viewer::Viewer;
