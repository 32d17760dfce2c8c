//! Stands in for TLS in a build without it: there are no values of these types.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::sync::Arc;

use mio::Waker;

use super::settings::TlsFiles;
use crate::hub::Transport;
use crate::site::snapshot;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "this framecast was built without TLS; build it with --features tls, or omit --tls-cert and --tls-key"
)]
pub struct CertificateError;

/// There is no such value.
#[derive(Debug)]
pub struct Tls(Infallible);

/// There is no such value.
#[derive(Debug)]
pub struct Session<S>(Infallible, PhantomData<S>);

#[allow(missing_docs, reason = "nothing here can be called")]
impl Tls {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn new(_: TlsFiles, _: Arc<Waker>) -> Result<Self, CertificateError> {
        Err(CertificateError)
    }

    pub fn accept<S: Transport>(&self, _: S) -> io::Result<Session<S>> {
        match self.0 {}
    }

    pub fn allow_handshakes(&self) {
        match self.0 {}
    }

    pub fn renew(&mut self) {
        match self.0 {}
    }

    pub fn take_renewed(&mut self) {
        match self.0 {}
    }

    pub fn counts(&self) -> snapshot::Tls {
        match self.0 {}
    }
}

impl<S> Session<S> {
    /// The socket below.
    pub fn socket_mut(&mut self) -> &mut S {
        match self.0 {}
    }
}

impl<S> Transport for Session<S> {
    fn shutdown_write(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}

impl<S> Read for Session<S> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }
}

impl<S> Write for Session<S> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}
