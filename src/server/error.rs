//! Why a server did not start, or could not go on.

use std::io::{self, ErrorKind};

use super::settings::ListenAddress;
use super::tls::CertificateError;

/// Why a server did not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be listened on.
    #[error(
        "cannot listen on {}: {error}; {}",
        spell(address),
        advice(address, error)
    )]
    Listen {
        /// What was given.
        address: ListenAddress,
        /// The reason.
        error: io::Error,
    },
    /// What was passed on to be listened on cannot be.
    #[error(
        "cannot listen on what was passed on by LISTEN_FDS: {0}; pass on listening TCP or Unix stream sockets"
    )]
    Inherited(io::Error),
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The kernel refused something without which there is no loop.
    #[error("cannot {what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The reason.
        error: io::Error,
    },
}

impl ServeError {
    /// Makes an error of what the kernel refused, for `map_err`.
    pub(super) fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::System { what, error }
    }
}

/// What to do about an address that cannot be listened on.
fn advice(address: &ListenAddress, error: &io::Error) -> &'static str {
    match (address, error.kind()) {
        (ListenAddress::Unix(_), ErrorKind::AddrInUse) => {
            "remove what stands there, or choose another with --listen"
        }
        (ListenAddress::Unix(_), _) => {
            "choose a path with --listen whose folder is there and may be written to"
        }
        (_, ErrorKind::AddrInUse) => "end the program that has it, or choose another with --listen",
        (_, ErrorKind::AddrNotAvailable) => {
            "choose one of this machine's own with --listen, or 0.0.0.0 or [::] for all of them"
        }
        (_, ErrorKind::PermissionDenied) => {
            "choose a port from 1024 up with --listen: those below are the system's"
        }
        _ => "choose another with --listen",
    }
}

fn spell(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Inet(address) => address.clone(),
        ListenAddress::Https(address) => format!("https://{address}"),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}
