//! Listening sockets, and how accepting survives the lack of descriptors.
//!
//! An edge reports a new connection. It does not report the connections that wait already: accept
//! must be called until it returns "would block". When it fails for lack of descriptors (EMFILE),
//! the connections that wait stay in the backlog, and no event reports them again. So a listener
//! stays ready until "would block", and accepting is retried when a connection closes, and on a
//! timer.

use std::fmt;
use std::io::{self, ErrorKind};
use std::mem;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry};
use rustix::io::Errno;
use socket2::SockRef;

use super::bind::{bind_inet, must_listen, remove_stale, tune};
use super::settings::ListenAddress;
use super::socket::Socket;
use super::tls::Tls;
use super::token::Owner;
use crate::hub::{Hub, Wake};
use crate::stream::Peer;

/// Connections accepted from one listener in one turn, so that a burst does not delay viewers.
const ACCEPTS_MAX: usize = 64;

/// The time between two attempts after accept has failed.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Errors after which the next accept may succeed at once: a signal, and errors of a connection that
/// failed while it waited (accept(2)).
const TRANSIENT_ERRORS: [Errno; 10] = [
    Errno::INTR,
    Errno::CONNABORTED,
    Errno::NETDOWN,
    Errno::PROTO,
    Errno::NOPROTOOPT,
    Errno::HOSTDOWN,
    Errno::NONET,
    Errno::HOSTUNREACH,
    Errno::OPNOTSUPP,
    Errno::NETUNREACH,
];

/// All listening sockets.
#[derive(Debug)]
pub struct Listeners {
    all: Vec<Listener>,
    /// The maximum number of open connections. Further ones wait in the backlog.
    connections_max: usize,
    /// Accept has failed: the time of the next attempt.
    retry_at: Option<Instant>,
    is_failure_logged: bool,
    /// The server is shutting down: no further accept.
    is_closed: bool,
}

impl Listeners {
    /// Registers the sockets for events.
    pub fn register(
        mut all: Vec<Listener>,
        connections_max: usize,
        registry: &Registry,
    ) -> io::Result<Self> {
        for (index, listener) in all.iter_mut().enumerate() {
            registry.register(
                listener.source(),
                Owner::Listener(index).token(),
                Interest::READABLE,
            )?;
        }
        Ok(Self {
            all,
            connections_max,
            retry_at: None,
            is_failure_logged: false,
            is_closed: false,
        })
    }

    /// The sockets.
    pub fn all(&self) -> &[Listener] {
        &self.all
    }

    /// Sets the bit of a listener.
    pub fn ready(&mut self, index: usize) {
        if let Some(listener) = self.all.get_mut(index) {
            listener.is_ready = true;
        }
    }

    /// Called when a connection has closed, which has freed a descriptor: ends the wait for the next
    /// attempt.
    pub fn retry_now(&mut self) {
        self.retry_at = None;
    }

    /// Accepts connections from every listener whose bit is set. For each listener, this ends when
    /// accept would block (the bit is cleared, an edge is owed), or [`ACCEPTS_MAX`] or the maximum
    /// number of connections is reached (the bit stays set). The bit also stays set when accept
    /// fails, as for lack of a descriptor; then the next attempt waits for
    /// [`Listeners::retry_now`] or a timer, so that the loop does not spin. Returns the number of
    /// failures.
    pub fn accept(
        &mut self,
        hub: &mut Hub<Socket>,
        tls: Option<&Tls>,
        registry: &Registry,
        now: Instant,
    ) -> u64 {
        self.retry_at = self.retry_at.filter(|retry_at| now < *retry_at);
        let mut failures = 0;
        for index in 0..self.all.len() {
            for _ in 0..ACCEPTS_MAX {
                if !self.all[index].is_ready || !self.may_accept(hub.connections().len()) {
                    break;
                }
                let listener = &mut self.all[index];
                match listener.accept() {
                    Ok((socket, peer)) => {
                        let tls = tls.filter(|_| listener.is_encrypted);
                        admit(hub, socket, peer, tls, registry, now);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        listener.is_ready = false
                    }
                    Err(error) if is_transient(&error) => log::debug!("accept: {error}"),
                    Err(error) => {
                        failures += 1;
                        self.retry_at = Some(now + ACCEPT_RETRY);
                        if !mem::replace(&mut self.is_failure_logged, true) {
                            log::warn!(
                                "accept: {error}; retrying, new connections wait in the backlog"
                            );
                        }
                    }
                }
            }
        }
        failures
    }

    /// Returns when to call [`Listeners::accept`] next, while `connections` are open.
    pub fn next_wake(&self, connections: usize) -> Wake {
        if self.is_closed {
            return Wake::OnInput;
        }
        if let Some(retry_at) = self.retry_at {
            return Wake::At(retry_at);
        }
        let is_any_ready = self.all.iter().any(|listener| listener.is_ready);
        if is_any_ready && self.may_accept(connections) {
            Wake::Now
        } else {
            Wake::OnInput
        }
    }

    fn may_accept(&self, connections: usize) -> bool {
        !self.is_closed && self.retry_at.is_none() && connections < self.connections_max
    }

    /// Stops accepting.
    pub fn close(&mut self) {
        self.is_closed = true;
    }

    /// Closes our descriptors, and leaves the sockets to the new process. They are deregistered
    /// first: closing a descriptor does not end its events while another process has the socket open
    /// (epoll(7)).
    pub fn leave_to_new_process(&mut self, registry: &Registry) {
        for mut listener in self.all.drain(..) {
            if let Err(error) = registry.deregister(listener.source()) {
                log::warn!("{listener}: cannot deregister: {error}");
            }
            listener.is_left = true;
        }
    }
}

/// Adds a connection to the hub, with TLS if there is `tls`, and registers it for events.
fn admit(
    hub: &mut Hub<Socket>,
    socket: Socket,
    peer: Peer,
    tls: Option<&Tls>,
    registry: &Registry,
    now: Instant,
) {
    let admitted = hub.admit(peer, now, |key| {
        let mut socket = match (socket, tls) {
            (Socket::Tcp(stream), Some(tls)) => Socket::Tls(Box::new(tls.accept(stream)?)),
            (socket, _) => socket,
        };
        socket.register(registry, key)?;
        Ok(socket)
    });
    if let Err(error) = admitted {
        log::warn!("{peer}: cannot register connection: {error}");
    }
}

/// One listening socket.
#[derive(Debug)]
pub struct Listener {
    inner: Inner,
    is_encrypted: bool,
    /// Connections may wait: accept has not returned "would block" since the last edge.
    is_ready: bool,
    /// Another process serves the socket: its path is not removed.
    is_left: bool,
}

#[derive(Debug)]
enum Inner {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Listens on all addresses of a host name. This may block, since it resolves the name.
    ///
    /// # Errors
    /// The name is unknown, or its addresses cannot be bound.
    pub fn bind(address: &ListenAddress) -> io::Result<Vec<Self>> {
        let inner = match address {
            ListenAddress::Inet(address) | ListenAddress::Https(address) => {
                bind_inet(address)?.into_iter().map(Inner::Tcp).collect()
            }
            ListenAddress::Unix(path) => {
                remove_stale(path)?;
                vec![Inner::Unix(UnixListener::bind(path)?, path.clone())]
            }
        };
        let is_encrypted = matches!(address, ListenAddress::Https(_));
        Ok(inner
            .into_iter()
            .map(|inner| Self::new(inner, is_encrypted))
            .collect())
    }

    /// The address that a TCP socket is bound to; a Unix socket has none.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.inner {
            Inner::Tcp(listener) => listener.local_addr().ok(),
            Inner::Unix(..) => None,
        }
    }

    /// Uses a TCP socket that another process has opened.
    ///
    /// # Errors
    /// It does not listen, or a socket option cannot be set.
    pub fn from_tcp(socket: StdTcpListener, is_encrypted: bool) -> io::Result<Self> {
        must_listen(&SockRef::from(&socket))?;
        tune(&SockRef::from(&socket))?;
        Ok(Self::new(
            Inner::Tcp(TcpListener::from_std(socket)),
            is_encrypted,
        ))
    }

    /// Uses a Unix socket that another process has opened.
    ///
    /// # Errors
    /// It does not listen, has no path, or cannot be made non-blocking.
    pub fn from_unix(socket: StdUnixListener) -> io::Result<Self> {
        must_listen(&SockRef::from(&socket))?;
        socket.set_nonblocking(true)?;
        let no_path = || io::Error::other("the Unix socket has no path");
        let path = socket
            .local_addr()?
            .as_pathname()
            .ok_or_else(no_path)?
            .to_owned();
        Ok(Self::new(
            Inner::Unix(UnixListener::from_std(socket), path),
            false,
        ))
    }

    fn new(inner: Inner, is_encrypted: bool) -> Self {
        // The first attempt needs no edge: an inherited socket may have connections already.
        Self {
            inner,
            is_encrypted,
            is_ready: true,
            is_left: false,
        }
    }

    /// Returns another descriptor of the socket, for another process.
    pub fn to_owned_fd(&self) -> io::Result<OwnedFd> {
        match &self.inner {
            Inner::Tcp(listener) => listener.as_fd().try_clone_to_owned(),
            Inner::Unix(listener, _) => listener.as_fd().try_clone_to_owned(),
        }
    }

    /// Whether its connections use TLS.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    fn accept(&self) -> io::Result<(Socket, Peer)> {
        match &self.inner {
            Inner::Tcp(listener) => listener
                .accept()
                .map(|(stream, peer)| (Socket::Tcp(stream), Peer::Inet(peer))),
            Inner::Unix(listener, _) => listener
                .accept()
                .map(|(stream, _)| (Socket::Unix(stream), Peer::Local)),
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match &mut self.inner {
            Inner::Tcp(listener) => listener,
            Inner::Unix(listener, _) => listener,
        }
    }
}

/// The URL of the listener. For port 0, it has the port that the kernel chose.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner {
            Inner::Tcp(listener) => match listener.local_addr() {
                Ok(address) if self.is_encrypted => write!(f, "https://{address}/"),
                Ok(address) => write!(f, "http://{address}/"),
                Err(error) => write!(f, "an unknown address ({error})"),
            },
            Inner::Unix(_, path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let (Inner::Unix(_, path), false) = (&self.inner, self.is_left) {
            // The path may have been removed already.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| TRANSIENT_ERRORS.contains(&errno))
}

#[cfg(test)]
mod tests {
    use std::net::Shutdown;

    use mio::Poll;

    use super::*;
    use crate::hub::Limits;

    /// As after EMFILE, but for ever: accept(2) on a socket that was shut down returns EINVAL.
    #[test]
    fn failing_accept_waits_for_the_timer_and_does_not_spin() {
        let poll = Poll::new().unwrap();
        let bound = Listener::bind(&ListenAddress::Inet("127.0.0.1:0".into())).unwrap();
        let Inner::Tcp(socket) = &bound[0].inner else {
            unreachable!("a TCP address")
        };
        SockRef::from(socket).shutdown(Shutdown::Both).unwrap();
        let mut listeners = Listeners::register(bound, 10, poll.registry()).unwrap();
        let mut hub = Hub::new(1, "frame", Limits::default());
        let now = Instant::now();
        assert_eq!(listeners.next_wake(0), Wake::Now);
        assert_eq!(listeners.accept(&mut hub, None, poll.registry(), now), 1);
        assert_eq!(listeners.next_wake(0), Wake::At(now + ACCEPT_RETRY));
        // A connection that closes ends the wait.
        listeners.retry_now();
        assert_eq!(listeners.accept(&mut hub, None, poll.registry(), now), 1);
    }

    #[test]
    fn stale_unix_socket_is_replaced_and_served_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let address = ListenAddress::Unix(path.clone());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let living = Listener::bind(&address).unwrap();
        assert_eq!(living.len(), 1);
        assert_eq!(
            Listener::bind(&address).unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
        drop(living);
        assert!(!path.exists());
    }
}
