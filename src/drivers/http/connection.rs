//! The connection to a camera, with or without TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{SockRef, TcpKeepalive};

use super::Fault;
use crate::text::url::Url;

/// The delay before the next address of a host is tried in parallel (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// TCP keepalive detects a camera that has lost its power.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(15))
    .with_interval(Duration::from_secs(5))
    .with_retries(3);

/// A connection to a camera.
#[derive(Debug)]
pub(super) enum Connection {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Encrypted(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Connection {
    /// Connects to the host of `url`, to the address that answers first. `tls` returns the settings
    /// of an encrypted connection.
    pub(super) fn open(
        url: &Url,
        tls: impl FnOnce() -> Arc<ClientConfig>,
        timeout: Duration,
    ) -> Result<Self, Fault> {
        let (host, port) = url.host_and_port();
        let stream =
            connect(&host, port, timeout).map_err(|error| Fault::from_io(&error, timeout))?;
        Self::prepare(&stream, timeout).map_err(|error| Fault::from_io(&error, timeout))?;
        if !url.is_https() {
            return Ok(Self::Plain(stream));
        }
        let name = ServerName::try_from(url.server_name().to_owned())
            .map_err(|error| Fault::Tls(error.to_string()))?;
        let session =
            ClientConnection::new(tls(), name).map_err(|error| Fault::from_tls(&error))?;
        let mut stream = StreamOwned::new(session, stream);
        while stream.conn.is_handshaking() {
            stream
                .conn
                .complete_io(&mut stream.sock)
                .map_err(|error| Fault::from_handshake(&error, timeout))?;
        }
        Ok(Self::Encrypted(Box::new(stream)))
    }

    fn prepare(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        SockRef::from(stream).set_tcp_keepalive(&KEEPALIVE)
    }

    /// Sends all of `bytes`.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes),
            Self::Encrypted(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Reads available bytes; waits for them at most for `wait`. Returns 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<usize> {
        let wait = wait.max(Duration::from_millis(1));
        let socket = match self {
            Self::Plain(stream) => &*stream,
            Self::Encrypted(stream) => &stream.sock,
        };
        socket.set_read_timeout(Some(wait))?;
        loop {
            let read = match self {
                Self::Plain(stream) => stream.read(buffer),
                Self::Encrypted(stream) => stream.read(buffer),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

/// Resolves `host` and connects to its addresses, each [`ATTEMPT_DELAY`] after the one before,
/// until one answers. getaddrinfo(3) and connect(2) may block longer than `timeout`: they run in
/// threads, which are detached.
fn connect(host: &str, port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let deadline = Instant::now() + timeout;
    let timed_out = || io::Error::from(io::ErrorKind::TimedOut);
    let (resolved, addresses) = channel();
    let host = host.to_owned();
    thread::spawn(move || {
        resolved.send((host.as_str(), port).to_socket_addrs().map(Vec::from_iter))
    });
    let addresses = addresses.recv_timeout(timeout).map_err(|_| timed_out())??;
    let (connected, attempts) = channel();
    let mut untried = alternate(addresses).into_iter();
    let mut pending = 0_usize;
    let mut failure = io::Error::new(io::ErrorKind::NotFound, super::error::NO_ADDRESS);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(timed_out());
        }
        let next = untried.next();
        let has_more = untried.len() > 0;
        match next {
            Some(address) => {
                pending += 1;
                attempt(address, left, connected.clone());
            }
            None if pending == 0 => return Err(failure),
            None => {}
        }
        match attempts.recv_timeout(if has_more {
            left.min(ATTEMPT_DELAY)
        } else {
            left
        }) {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => {
                pending -= 1;
                failure = error;
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

fn attempt(address: SocketAddr, timeout: Duration, connected: Sender<io::Result<TcpStream>>) {
    log::debug!("connecting to {address}");
    thread::spawn(move || connected.send(TcpStream::connect_timeout(&address, timeout)));
}

/// Sorts the addresses: IPv6 and IPv4 alternate, each in the resolver's order (RFC 8305, section
/// 4).
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut these, mut those): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_ipv6);
    let mut ordered = Vec::new();
    these.reverse();
    those.reverse();
    while let Some(address) = these.pop().or_else(|| those.pop()) {
        ordered.push(address);
        ordered.extend(those.pop());
    }
    ordered
}
