//! A viewer's side of TLS. The crowd looks at how a server shows pictures, not at who it is: any
//! certificate will do.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Error};

use crate::trust::Trust;

/// What the sessions of a crowd have in common.
#[derive(Clone, Debug)]
pub(super) struct Secrecy {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// One viewer's session.
#[derive(Debug)]
pub(super) struct Session(ClientConnection);

impl Secrecy {
    /// For a server called `host`. Fails if that can be no server's name.
    pub(super) fn with(host: &str) -> Result<Self, Error> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| Error::General(error.to_string()))?;
        Ok(Self {
            config: Trust::client_config(true),
            name,
        })
    }

    /// A session that will say `request` as soon as it can.
    pub(super) fn session(&self, request: &[u8]) -> io::Result<Session> {
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        let mut session = Session(connection.map_err(io::Error::other)?);
        session.0.writer().write_all(request)?;
        Ok(session)
    }
}

impl Session {
    /// Sends what there is to say.
    pub(super) fn flush(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        while self.0.wants_write() {
            self.0.write_tls(stream)?;
        }
        Ok(())
    }

    /// Whether the request has yet to be sent.
    pub(super) fn is_handshaking(&self) -> bool {
        self.0.is_handshaking() || self.0.wants_write()
    }

    /// Reads decrypted bytes; none at the end. "Would block" says that the kernel has no more and
    /// nothing is left here.
    pub(super) fn read(&mut self, stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                decrypted => return decrypted,
            }
            self.take_in(stream)?;
        }
    }

    /// Takes in what has come, and goes on with the handshake.
    pub(super) fn take_in(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        self.0.read_tls(stream)?;
        self.0.process_new_packets().map_err(io::Error::other)?;
        match self.flush(stream) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            flushed => flushed,
        }
    }
}
