//! The errors that end a server.

use std::io::{self, ErrorKind};

use super::settings::ListenAddress;
use super::tls::CertificateError;

/// An error that ends the server, nearly always at the start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be bound.
    #[error(
        "cannot listen on {}: {error}; {}",
        text(address),
        advice(address, error)
    )]
    Listen {
        /// The address of `--listen`.
        address: ListenAddress,
        /// The reason.
        error: io::Error,
    },
    /// An inherited descriptor is not a listening socket.
    #[error("LISTEN_FDS: {0}; pass listening TCP or Unix stream sockets")]
    Inherited(io::Error),
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A system call failed that the loop cannot do without.
    #[error("cannot {action}: {error}")]
    System {
        /// What the server tried to do.
        action: &'static str,
        /// The reason.
        error: io::Error,
    },
}

impl ServeError {
    /// Returns a conversion for `map_err`.
    pub(super) fn system(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::System { action, error }
    }
}

fn advice(address: &ListenAddress, error: &io::Error) -> &'static str {
    match (address, error.kind()) {
        (ListenAddress::Unix(_), ErrorKind::AddrInUse) => {
            "remove that file, or choose another path with --listen"
        }
        (ListenAddress::Unix(_), _) => {
            "choose a path in an existing and writable directory with --listen"
        }
        (_, ErrorKind::AddrInUse) => {
            "stop the program that uses it, or choose another address with --listen"
        }
        (_, ErrorKind::AddrNotAvailable) => {
            "choose an address of this machine with --listen, or [::] for all of them"
        }
        (_, ErrorKind::PermissionDenied) => {
            "choose a port of 1024 or more with --listen, or allow lower ones (CAP_NET_BIND_SERVICE)"
        }
        _ => "choose another address with --listen",
    }
}

fn text(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Inet(address) => address.clone(),
        ListenAddress::Https(address) => format!("https://{address}"),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}
