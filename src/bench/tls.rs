//! TLS for viewers. Any certificate is accepted: the bench measures a server, it does not trust it.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Error};

use crate::trust::Trust;

/// The configuration of all sessions.
#[derive(Clone, Debug)]
pub(super) struct TlsConfig {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// The session of a viewer.
#[derive(Debug)]
pub(super) struct Session(ClientConnection);

impl TlsConfig {
    /// Creates the configuration for a server name. Fails if the name is invalid.
    pub(super) fn with(host: &str) -> Result<Self, Error> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| Error::General(error.to_string()))?;
        Ok(Self {
            config: Trust::client_config(true),
            name,
        })
    }

    /// Creates a session that sends `request` after the handshake.
    pub(super) fn session(&self, request: &[u8]) -> io::Result<Session> {
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        let mut session = Session(connection.map_err(io::Error::other)?);
        session.0.writer().write_all(request)?;
        Ok(session)
    }
}

impl Session {
    /// Writes pending TLS records.
    pub(super) fn flush(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        while self.0.wants_write() {
            self.0.write_tls(stream)?;
        }
        Ok(())
    }

    /// Whether the request has not been sent yet.
    pub(super) fn is_handshaking(&self) -> bool {
        self.0.is_handshaking() || self.0.wants_write()
    }

    /// Reads decrypted bytes; returns 0 at the end. `WouldBlock` means that neither the socket nor the
    /// session has more.
    pub(super) fn read(&mut self, stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                decrypted => return decrypted,
            }
            self.receive(stream)?;
        }
    }

    /// Reads TLS records from the socket and continues the handshake.
    pub(super) fn receive(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        self.0.read_tls(stream)?;
        self.0.process_new_packets().map_err(io::Error::other)?;
        match self.flush(stream) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            flushed => flushed,
        }
    }
}
