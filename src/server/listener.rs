//! Listening sockets, and the edges they owe.
//!
//! The kernel reports waiting connections once, when the first of them comes. After that it reports
//! nothing until accept has returned "would block": after running out of descriptors (EMFILE), no
//! edge comes even when more connections arrive. So a listener of which accepting ended early
//! remembers that an accept is owed.

use std::fmt;
use std::io::{self, ErrorKind};
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

/// Connections accepted in one turn and from one listener, so that a burst of new ones does not
/// delay the viewers.
const ACCEPTS_MAX: usize = 64;

/// After running out of descriptors or memory, accepting is retried after this long, and whenever a
/// connection closes.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// All listening sockets.
#[derive(Debug)]
pub struct Listeners {
    all: Vec<Listener>,
    /// Open connections from which on new ones wait in the backlog.
    connections_max: usize,
    /// Accepting failed for want of descriptors or memory: no accept before.
    retry_at: Option<Instant>,
    is_exhaustion_logged: bool,
    /// The server shuts down: no further accept.
    is_closed: bool,
}

impl Listeners {
    /// Registers `all` for events.
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
            is_exhaustion_logged: false,
            is_closed: false,
        })
    }

    /// The sockets.
    pub fn all(&self) -> &[Listener] {
        &self.all
    }

    /// Notes an edge.
    pub fn ready(&mut self, index: usize) {
        if let Some(listener) = self.all.get_mut(index) {
            listener.is_owed = true;
        }
    }

    /// Notes that a connection has closed: its descriptor may be what a waiting one needs.
    pub fn retry_now(&mut self) {
        self.retry_at = None;
    }

    /// Accepts the connections that wait, as far as there is room in `hub`. Returns how often the
    /// kernel ran out of descriptors or memory.
    pub fn accept(
        &mut self,
        hub: &mut Hub<Socket>,
        tls: Option<&Tls>,
        registry: &Registry,
        now: Instant,
    ) -> u64 {
        self.retry_at = self.retry_at.filter(|retry_at| now < *retry_at);
        let mut exhausted = 0;
        for index in 0..self.all.len() {
            for _ in 0..ACCEPTS_MAX {
                if !self.all[index].is_owed || !self.may_accept(hub.connections().len()) {
                    break;
                }
                let listener = &mut self.all[index];
                match listener.accept() {
                    Accepted::Connection(socket, peer) => {
                        admit(
                            hub,
                            socket,
                            peer,
                            tls.filter(|_| listener.is_encrypted),
                            registry,
                            now,
                        );
                    }
                    Accepted::WouldBlock => {}
                    Accepted::Exhausted(error) => {
                        exhausted += 1;
                        self.retry_at = Some(now + ACCEPT_RETRY);
                        if !std::mem::replace(&mut self.is_exhaustion_logged, true) {
                            log::warn!(
                                "accept: {error}; retrying, new connections wait in the backlog"
                            );
                        }
                    }
                }
            }
        }
        exhausted
    }

    /// When a turn must be taken to accept, while `connections` are open.
    pub fn next_wake(&self, connections: usize) -> Wake {
        match self.retry_at {
            _ if self.is_closed => Wake::OnInput,
            Some(retry_at) => Wake::At(retry_at),
            None if self.may_accept(connections)
                && self.all.iter().any(|listener| listener.is_owed) =>
            {
                Wake::Now
            }
            None => Wake::OnInput,
        }
    }

    fn may_accept(&self, connections: usize) -> bool {
        !self.is_closed && self.retry_at.is_none() && connections < self.connections_max
    }

    /// Accepts no more connections.
    pub fn close(&mut self) {
        self.is_closed = true;
    }

    /// Leaves the sockets to the new process that has them open too. They are deregistered as well:
    /// as long as any process has a socket open, closing our descriptor does not end our events
    /// (epoll(7)).
    pub fn hand_over(&mut self, registry: &Registry) {
        for mut listener in self.all.drain(..) {
            if let Err(error) = registry.deregister(listener.source()) {
                log::warn!("{listener}: cannot deregister: {error}");
            }
            listener.is_handed_over = true;
        }
    }
}

/// Adds a connection to the hub, encrypted if there is `tls`, and registers it for events.
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
    /// Connections may wait: an edge came, or accepting ended early.
    is_owed: bool,
    /// The socket goes on in another process: its path is not removed.
    is_handed_over: bool,
}

#[derive(Debug)]
enum Inner {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// The outcome of one accept.
#[derive(Debug)]
enum Accepted {
    Connection(Socket, Peer),
    /// No connection waits. An edge will report the next one.
    WouldBlock,
    /// A connection waits, but there is no descriptor or no memory. No edge will report it.
    Exhausted(io::Error),
}

impl Listener {
    /// Starts to listen on every address that a name has. This may look names up, so it belongs
    /// before the loop.
    ///
    /// # Errors
    /// The name is unknown, or the kernel refuses its addresses.
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

    /// The address of a network that it is bound to; a Unix socket has none.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.inner {
            Inner::Tcp(listener) => listener.local_addr().ok(),
            Inner::Unix(..) => None,
        }
    }

    /// Takes over a TCP socket that another process has made.
    ///
    /// # Errors
    /// It does not listen, or the kernel refuses an option that every connection is to have.
    pub fn from_tcp(socket: StdTcpListener, is_encrypted: bool) -> io::Result<Self> {
        must_listen(&SockRef::from(&socket))?;
        tune(&SockRef::from(&socket))?;
        Ok(Self::new(
            Inner::Tcp(TcpListener::from_std(socket)),
            is_encrypted,
        ))
    }

    /// Takes over a Unix socket that another process has made.
    ///
    /// # Errors
    /// It does not listen, has no path, or cannot be made non-blocking.
    pub fn from_unix(socket: StdUnixListener) -> io::Result<Self> {
        must_listen(&SockRef::from(&socket))?;
        socket.set_nonblocking(true)?;
        let no_path = || io::Error::other("a Unix socket that was passed on has no path");
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
        // Connections may have come before the first edge is asked for.
        Self {
            inner,
            is_encrypted,
            is_owed: true,
            is_handed_over: false,
        }
    }

    /// The same socket once more, for another process.
    pub fn to_owned_fd(&self) -> io::Result<OwnedFd> {
        match &self.inner {
            Inner::Tcp(listener) => listener.as_fd().try_clone_to_owned(),
            Inner::Unix(listener, _) => listener.as_fd().try_clone_to_owned(),
        }
    }

    /// Whether what it accepts speaks TLS.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Accepts one connection.
    fn accept(&mut self) -> Accepted {
        loop {
            let accepted = match &self.inner {
                Inner::Tcp(listener) => listener
                    .accept()
                    .map(|(stream, peer)| (Socket::Tcp(stream), Peer::Inet(peer))),
                Inner::Unix(listener, _) => listener
                    .accept()
                    .map(|(stream, _)| (Socket::Unix(stream), Peer::Local)),
            };
            match accepted {
                Ok((socket, peer)) => return Accepted::Connection(socket, peer),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_owed = false;
                    return Accepted::WouldBlock;
                }
                Err(error) if is_exhaustion(&error) => return Accepted::Exhausted(error),
                // accept(2): errors already pending on the new connection are returned here. The
                // next one may be fine.
                Err(error) => log::debug!("accept: {error}"),
            }
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match &mut self.inner {
            Inner::Tcp(listener) => listener,
            Inner::Unix(listener, _) => listener,
        }
    }
}

/// The address as a browser takes it; for port 0 the one the kernel chose.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner {
            Inner::Tcp(listener) => match listener.local_addr() {
                Ok(address) if self.is_encrypted => write!(f, "https://{address}/"),
                Ok(address) => write!(f, "http://{address}/"),
                Err(error) => write!(f, "an unknown address: {error}"),
            },
            Inner::Unix(_, path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let (Inner::Unix(_, path), false) = (&self.inner, self.is_handed_over) {
            // A path that is gone already is no error.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Whether accepting failed for want of something that others hold.
fn is_exhaustion(error: &io::Error) -> bool {
    let exhaustions = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| exhaustions.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_servers_socket_is_replaced_and_a_living_ones_is_not() {
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
