//! TLS: the same connections, encrypted.
//!
//! To the hub a [`Session`] is a transport like any other; how it keeps its edges is in `session`.
//! What all sessions share is here: the certificate, the handshake steps that a turn may take, and
//! counts.
//!
//! A renewed certificate is read by a thread, in the background, not by a child process: its result
//! is a value that is checked and ready to use, and the private key does not leave the process.

mod certificate;
mod session;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use mio::Waker;
use rustls::{ServerConfig, ServerConnection};

use super::background::{Background, Taken};
use super::settings::TlsFiles;
use crate::hub::Transport;
use crate::site::snapshot;

pub use certificate::{CertificateError, load};
pub use session::Session;

/// Handshake steps of one turn, so that a burst of new connections does not delay the viewers. A
/// handshake takes two, one of which costs a signature: 0.05 ms (ECDSA) to 1 ms (RSA).
const HANDSHAKE_STEPS_MAX: u32 = 8;

/// What encrypted listeners need.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    config: Arc<ServerConfig>,
    shared: Rc<Shared>,
    /// A renewed certificate.
    renewal: Background<Loaded>,
}

type Loaded = Result<Arc<ServerConfig>, CertificateError>;

/// What all sessions share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Steps of handshakes that this turn has left.
    steps_left: Cell<u32>,
    counts: Cell<snapshot::Tls>,
}

impl Tls {
    /// Reads the certificate and its key, which may block: this happens before the loop starts.
    /// `waker` wakes the loop when [`Tls::take_renewed`] is to be called.
    ///
    /// # Errors
    /// A file cannot be read, or the two cannot be used.
    pub fn new(files: TlsFiles, waker: Arc<Waker>) -> Result<Self, CertificateError> {
        let config = load(&files)?;
        Ok(Self {
            files,
            config,
            shared: Rc::default(),
            renewal: Background::new("certificate", waker),
        })
    }

    /// Encrypts a connection that has just been accepted.
    ///
    /// # Errors
    /// The kernel gives no random bytes.
    pub fn accept<S: Transport>(&self, socket: S) -> io::Result<Session<S>> {
        let connection =
            ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        Ok(Session::new(connection, socket, Rc::clone(&self.shared)))
    }

    /// Grants the handshake steps of a new turn.
    pub fn allow_handshakes(&self) {
        self.shared.allow(HANDSHAKE_STEPS_MAX);
    }

    /// Reads the certificate and its key again, in the background. If they cannot be used, the old
    /// ones stay.
    pub fn renew(&mut self) {
        let files = self.files.clone();
        if let Err(error) = self.renewal.start(move || load(&files)) {
            self.keep_old(&error.to_string());
        }
    }

    /// Puts a certificate that has been read into effect, for new connections.
    pub fn take_renewed(&mut self) {
        let Some(Taken { value, is_stale }) = self.renewal.take() else {
            return;
        };
        match value {
            Some(Ok(config)) => {
                self.config = config;
                self.shared.count(|counts| counts.certificate_reloads += 1);
                log::info!("reloaded {}, for new connections", self.files.certificate);
            }
            Some(Err(error)) => self.keep_old(&error.to_string()),
            None => self.keep_old("reading was cut short"),
        }
        if is_stale {
            self.renew();
        }
    }

    /// The counts of all handshakes.
    pub fn counts(&self) -> snapshot::Tls {
        self.shared.counts.get()
    }

    fn keep_old(&self, why: &str) {
        self.shared
            .count(|counts| counts.certificate_reloads_failed += 1);
        log::warn!("cannot reload the certificate: {why}; keeping the old one");
    }
}

impl Shared {
    /// Sets the handshake steps that are left.
    pub fn allow(&self, steps: u32) {
        self.steps_left.set(steps);
    }

    fn is_exhausted(&self) -> bool {
        self.steps_left.get() == 0
    }

    fn spend_step(&self) {
        self.steps_left.set(self.steps_left.get().saturating_sub(1));
    }

    fn count(&self, change: impl FnOnce(&mut snapshot::Tls)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }
}
