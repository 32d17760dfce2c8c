//! The transport of a connection: a non-blocking TCP or Unix stream socket, or TLS on top of TCP.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry};

use super::tls::Session;
use super::token::Owner;
use crate::hub::{Key, Transport};

/// A connected socket. It has inherited its options (no delay, little unsent data in the kernel,
/// keepalive) from the listening socket: see `bind`.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix stream socket.
    Unix(UnixStream),
    /// TLS on top of TCP.
    Tls(Box<Session<TcpStream>>),
}

impl Socket {
    /// Registers the socket under `key`, once, for both directions.
    pub fn register(&mut self, registry: &Registry, key: Key) -> io::Result<()> {
        let source: &mut dyn Source = match self {
            Socket::Tcp(stream) => stream,
            Socket::Unix(stream) => stream,
            Socket::Tls(session) => session.socket_mut(),
        };
        registry.register(
            source,
            Owner::Connection(key).token(),
            Interest::READABLE | Interest::WRITABLE,
        )
    }
}

impl Transport for Socket {
    fn is_established(&self) -> bool {
        match self {
            Socket::Tcp(_) | Socket::Unix(_) => true,
            Socket::Tls(session) => session.is_established(),
        }
    }

    fn has_unsent(&self) -> bool {
        match self {
            Socket::Tcp(_) | Socket::Unix(_) => false,
            Socket::Tls(session) => session.has_unsent(),
        }
    }

    fn ends_with_its_peer(&self) -> bool {
        match self {
            Socket::Tcp(_) | Socket::Unix(_) => false,
            Socket::Tls(session) => session.ends_with_its_peer(),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
            Socket::Tls(session) => session.shutdown_write(),
        }
    }
}

impl Transport for TcpStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.read(buffer),
            Socket::Unix(stream) => stream.read(buffer),
            Socket::Tls(session) => session.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write(bytes),
            Socket::Unix(stream) => stream.write(bytes),
            Socket::Tls(session) => session.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write_vectored(slices),
            Socket::Unix(stream) => stream.write_vectored(slices),
            Socket::Tls(session) => session.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Tcp(_) | Socket::Unix(_) => Ok(()),
            Socket::Tls(session) => session.flush(),
        }
    }
}
