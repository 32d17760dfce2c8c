//! TLS: an encrypted transport.
//!
//! For the hub, a [`Session`] is a transport like any other; `session` shows how it keeps its edges.
//! This file has what all sessions share: the certificate, the budget of handshake steps, and
//! counts.
//!
//! A renewed certificate is loaded by a background thread, not by a child process: the result is a
//! checked value, and the private key does not leave the process.

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

/// Handshake steps in one turn, so that a burst of new connections does not delay viewers. A
/// handshake takes two steps, and one of them a signature: 0.05 ms (ECDSA) to 1 ms (RSA).
const HANDSHAKE_STEPS_MAX: u32 = 8;

/// The certificate of encrypted listeners, and what all sessions share.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    config: Arc<ServerConfig>,
    shared: Rc<Shared>,
    /// Loads a renewed certificate.
    renewal: Background<Loaded>,
}

type Loaded = Result<Arc<ServerConfig>, CertificateError>;

/// The state that all sessions share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Handshake steps left in this turn.
    steps_left: Cell<u32>,
    counts: Cell<snapshot::Tls>,
}

impl Tls {
    /// Loads the certificate and its key. This may block. `waker` wakes the loop when
    /// [`Tls::take_renewed`] has a result.
    ///
    /// # Errors
    /// A file cannot be read, or its content is rejected.
    pub fn new(files: TlsFiles, waker: Arc<Waker>) -> Result<Self, CertificateError> {
        let config = load(&files)?;
        Ok(Self {
            files,
            config,
            shared: Rc::default(),
            renewal: Background::new("certificate", waker),
        })
    }

    /// Creates a session on a connection that was just accepted.
    ///
    /// # Errors
    /// There are no random bytes.
    pub fn accept<S: Transport>(&self, socket: S) -> io::Result<Session<S>> {
        let connection =
            ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        Ok(Session::new(connection, socket, Rc::clone(&self.shared)))
    }

    /// Renews the budget of handshake steps for a new turn.
    pub fn allow_handshakes(&self) {
        self.shared.allow(HANDSHAKE_STEPS_MAX);
    }

    /// Starts to load the certificate and its key again. If they are rejected, the old ones stay.
    pub fn renew(&mut self) {
        let files = self.files.clone();
        if let Err(error) = self.renewal.start(move || load(&files)) {
            self.keep_old(&error.to_string());
        }
    }

    /// Uses a renewed certificate for new connections.
    pub fn take_renewed(&mut self) {
        let Some(Taken { value, is_stale }) = self.renewal.take() else {
            return;
        };
        match value {
            Some(Ok(config)) => {
                self.config = config;
                self.shared.count(|counts| counts.certificate_reloads += 1);
                log::info!(
                    "reload: {}: replaced for new connections",
                    self.files.certificate
                );
            }
            Some(Err(error)) => self.keep_old(&error.to_string()),
            None => self.keep_old("the thread panicked"),
        }
        if is_stale {
            self.renew();
        }
    }

    /// Returns the counts of handshakes and of certificate reloads.
    pub fn counts(&self) -> snapshot::Tls {
        self.shared.counts.get()
    }

    fn keep_old(&self, problem: &str) {
        self.shared
            .count(|counts| counts.certificate_reloads_failed += 1);
        log::warn!("reload: {problem}; keeping the old certificate");
    }
}

impl Shared {
    /// Sets the budget of handshake steps.
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
