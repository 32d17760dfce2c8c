//! What a stream is made of: frames and what is kept and counted of them, peers and their networks.
//!
//! Values and their rules. Nothing here knows a connection, a socket or a clock: [`crate::hub`] does.

pub mod client_net;
pub mod frame;
pub mod histogram;
pub mod history;
pub mod metrics;
pub mod numbering;
pub mod pace;
pub mod peer;
pub mod pinned;
pub mod sabotage;

pub use client_net::{ClientNet, Network, TrustedProxies};
pub use frame::Frame;
pub use histogram::Histogram;
pub use history::History;
pub use pace::Pace;
pub use peer::Peer;
