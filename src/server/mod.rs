//! The I/O layer: where the deterministic core meets the kernel. One `mio::Poll`, one thread.
//!
//! Reading order: `event_loop` (the turn), `token` (the owner of an event), `listener` (accepting),
//! `socket` (the transport of a connection), [`tls`] (the encrypted transport), `supervised` (the
//! life cycle of a child process), `camera` (a driver and its frames), `publisher` (a child that is
//! a viewer), `passwords` (a child that computes a hash), `signals`, `restart` (a new process without
//! a refused connection), `stats_ticker` (periodic statistics), `systemd`. This module does not know
//! byte formats, nor how a driver works.

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

pub use event_loop::EventLoop;
pub use passwords::{RIGHT, WRONG};
pub use settings::{
    CameraSettings, DriverSpec, ListenAddress, Offline, PublisherSettings, Settings, StdinFrom,
    TlsFiles, WarmUp,
};

/// Prepares this process to be a server: raises the limit of open descriptors, since every viewer
/// needs one, and makes the process the parent of orphans.
pub fn prepare() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        log::warn!(
            "cannot raise the limit of open descriptors (RLIMIT_NOFILE) above {:?}: {error}",
            limit.current
        );
    }
    orphans::adopt();
}
