//! The edge: where the deterministic heart meets the kernel. One `mio::Poll`, one thread.
//!
//! Reading order: [`event_loop`] (the turn), [`token`] (whose event is it), [`listener`] (accepting, and the edges it
//! owes), [`socket`] (what a connection is made of), [`tls`] (the same, encrypted), [`camera`] (the child process
//! behind each camera), [`publisher`] (one that is a viewer), [`passwords`] (one for what is slow on purpose),
//! [`signals`], [`handover`] (restart without refusal), [`stats_ticker`] (periodic statistics), [`supervisor`]
//! (who is told how the server fares). This room knows nothing of byte formats.

pub mod background;
mod batches;
pub mod camera;
mod child;
pub mod credentials;
pub mod event_loop;
pub mod handover;
pub mod interfaces;
pub mod listener;
pub mod networks;
mod orphans;
pub mod passwords;
pub mod publisher;
pub mod settings;
pub mod signals;
pub mod snapshot;
pub mod socket;
pub mod stats_ticker;
pub mod supervisor;
#[cfg_attr(not(feature = "tls"), path = "tls/off.rs")]
pub mod tls;
pub mod token;
mod words;

use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::drivers::SourceError;

pub use event_loop::{EventLoop, ServeError};
pub use settings::{CameraSettings, ListenAddress, Offline, PublisherSettings, Settings, TlsFiles, WarmUp};

/// The socket of avahi-daemon, which announces the machine's name (RFC 6762).
const AVAHI: &str = "/run/avahi-daemon/socket";

/// Checks and sets up what must not wait for a disk later, in the loop.
///
/// A source that is not there yet, such as a disk that is mounted late or a camera that is plugged in later, is only
/// warned of: its driver tries again for as long as the camera is watched.
///
/// # Errors
/// A source can never give frames.
pub fn prepare(settings: &Settings) -> Result<(), SourceError> {
    raise_descriptor_limit();
    orphans::adopt();
    for camera in &settings.cameras {
        match camera.source.check() {
            Ok(()) => {}
            Err(error) if error.is_final() => return Err(error),
            Err(error) => log::warn!("camera {}: {error}; offline until then", camera.name),
        }
    }
    Ok(())
}

/// The names that this machine has for itself, by which its cameras may be asked for.
fn own_names() -> impl Iterator<Item = String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let first = name.split('.').next().map(str::to_owned);
    std::iter::once(name.clone()).chain(first)
}

/// The name by which devices on the same network find this machine, if it announces one by multicast DNS.
fn local_name() -> Option<String> {
    let is_announced = Path::new(AVAHI).exists();
    own_names().last().filter(|name| is_announced && !name.is_empty()).map(|name| format!("{name}.local"))
}

/// Every viewer is a descriptor, so as many as the system allows are asked for.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        log::warn!("the limit of open descriptors stays at {:?}: {error}", limit.current);
    }
}
