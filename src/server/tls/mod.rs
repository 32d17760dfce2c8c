//! TLS: the same connections, encrypted.
//!
//! To the hub a [`Session`] is a transport like any other; what it takes to keep its edges is told in `session`. What
//! all sessions have in common is here: the certificate, how many steps of handshakes a turn may take, and what came of
//! them.
//!
//! A renewed certificate is read in the [background](super::background). Most things that may block are programs of
//! their own, because they may also crash, and what comes of them is bytes. Of this comes a value that is checked and
//! ready to use, and the private key never leaves the process.

mod certificate;
mod session;

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

/// Steps of handshakes taken in one turn, so that a burst of newcomers does not hold up the viewers. A handshake takes
/// two, of which one costs: a signature of 0.05 ms (ECDSA) to 1 ms (RSA).
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
    /// Reads the certificate and its key, which may block: this happens before the loop starts. `waker` tells when
    /// [`Tls::take_renewed`] is to be called.
    ///
    /// # Errors
    /// A file cannot be read, or the two cannot be used.
    pub fn new(files: TlsFiles, waker: Arc<Waker>) -> Result<Self, CertificateError> {
        let config = load(&files)?;
        Ok(Self { files, config, shared: Rc::default(), renewal: Background::new("certificate", waker) })
    }

    /// Encrypts a connection that has just been accepted.
    ///
    /// # Errors
    /// There is no randomness to be had.
    pub fn accept<S: Transport>(&self, socket: S) -> io::Result<Session<S>> {
        let connection = ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        Ok(Session::new(connection, socket, Rc::clone(&self.shared)))
    }

    /// A new turn: handshakes may go on.
    pub fn allow_handshakes(&self) {
        self.shared.allow(HANDSHAKE_STEPS_MAX);
    }

    /// Has the certificate and its key read again. Until they are, and if they cannot be used, the old ones are.
    pub fn renew(&mut self) {
        let files = self.files.clone();
        if let Err(error) = self.renewal.start(move || load(&files)) {
            self.keep_old(&error.to_string());
        }
    }

    /// Takes a certificate that has been read. New connections are given it; those that are there go on with theirs.
    pub fn take_renewed(&mut self) {
        let Some(Taken { value, is_stale }) = self.renewal.take() else { return };
        match value {
            Some(Ok(config)) => {
                self.config = config;
                self.shared.count(|counts| counts.renewals += 1);
                log::info!("new connections are given the certificate that {} holds now", self.files.certificate);
            }
            Some(Err(error)) => self.keep_old(&error.to_string()),
            None => self.keep_old("reading it was cut short"),
        }
        if is_stale {
            self.renew();
        }
    }

    /// What came of all handshakes.
    pub fn counts(&self) -> snapshot::Tls {
        self.shared.counts.get()
    }

    fn keep_old(&self, why: &str) {
        self.shared.count(|counts| counts.renewals_failed += 1);
        log::warn!("the certificate stays what it was: {why}");
    }
}

impl Shared {
    /// Lets handshakes take `steps` from now on.
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
