//! The I/O layer: where the deterministic core meets the kernel. One `mio::Poll`, one thread.
//!
//! Reading order: `event_loop` (the turn), `token` (the owner of an event), `listener` (accepting,
//! and the edges it owes), `socket` (the transport of a connection), [`tls`] (the same, encrypted),
//! `supervised` (the life of a child process), `camera` (the driver behind each camera),
//! `publisher` (a child that is a viewer), `passwords` (a child for what is slow on purpose),
//! `signals`, `restart` (a new process without refusal), `stats_ticker` (periodic statistics),
//! `systemd`. This room knows nothing of byte formats and of drivers.

mod background;
mod batches;
mod bind;
mod camera;
mod child;
pub mod credentials;
mod error;
mod event_loop;
pub mod interfaces;
mod listener;
mod networks;
mod orphans;
mod passwords;
mod publisher;
mod reloads;
mod restart;
mod settings;
mod signals;
mod snapshot;
mod socket;
mod stats_ticker;
mod stderr_log;
mod supervised;
mod systemd;
#[cfg_attr(not(feature = "tls"), path = "tls/off.rs")]
pub mod tls;
mod token;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub use error::ServeError;
pub use event_loop::EventLoop;
pub use passwords::{RIGHT, WRONG};
pub use settings::{
    CameraSettings, DriverSpec, ListenAddress, Offline, PublisherSettings, Settings, StdinFrom,
    TlsFiles, WarmUp,
};

/// Sets up this process as a server: with as many descriptors as the system allows, as every viewer
/// is one, and as the parent of what its drivers leave behind.
pub fn prepare() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        log::warn!(
            "cannot raise the limit of open descriptors above {:?}: {error}",
            limit.current
        );
    }
    orphans::adopt();
}
