//! A listening socket, and the edges it owes.
//!
//! The kernel tells of waiting connections once, when the first of them comes. Whoever stops accepting before it has
//! said "would block" hears nothing more of those that are left: after running out of descriptors (`EMFILE`) no edge
//! comes even when more connections arrive. So a listener that was left early remembers that an accept is owed.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdTcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, SockRef, TcpKeepalive, Type};

use super::settings::ListenAddress;
use super::socket::Socket;
use crate::stream::Peer;

/// Connections that may wait in the kernel; it takes the smaller of this and `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Bytes that may lie unsent in the kernel before it calls a socket full (`TCP_NOTSENT_LOWAT`, tcp(7)). Without this
/// bound the kernel queues seconds of frames for a slow viewer, and live is no longer live. Fast viewers lose nothing.
const NOT_SENT_BYTES_MAX: u32 = 16 * 1024;

/// A peer that vanished without a word is noticed after 15 s of silence and 3 questions at 5 s; one that was being sent
/// something, by the deadline for a stall. `TCP_USER_TIMEOUT` is left alone: the kernel also counts the time in which
/// the peer's window was too small for a whole segment of ours, and would end a slow reader who never stopped reading.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;

/// One listening socket.
#[derive(Debug)]
pub struct Listener {
    inner: Inner,
    is_encrypted: bool,
    owed: bool,
    /// It goes on in another process: what it left in the file system is not ours to remove.
    is_handed_over: bool,
}

#[derive(Debug)]
enum Inner {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// What one attempt to accept came to.
#[derive(Debug)]
pub enum Accepted {
    /// A connection.
    Connection(Socket, Peer),
    /// Nobody waits; an edge will tell of the next one.
    Nobody,
    /// Somebody waits, but neither a descriptor nor memory is to be had for now. No edge will tell: try again later.
    Exhausted(io::Error),
}

impl Listener {
    /// Starts to listen on every address that a name has. This may look names up, so it belongs before the loop.
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
        Ok(inner.into_iter().map(|inner| Self::new(inner, is_encrypted)).collect())
    }

    /// The address of a network that it is bound to; a Unix socket has none.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.inner {
            Inner::Tcp(listener) => listener.local_addr().ok(),
            Inner::Unix(..) => None,
        }
    }

    /// Goes on with a TCP socket that another process has made.
    ///
    /// # Errors
    /// It does not listen, or the kernel refuses an option that every connection is to have.
    pub fn from_tcp(socket: StdTcpListener, is_encrypted: bool) -> io::Result<Self> {
        must_listen(&SockRef::from(&socket))?;
        tune(&SockRef::from(&socket))?;
        Ok(Self::new(Inner::Tcp(TcpListener::from_std(socket)), is_encrypted))
    }

    /// Goes on with a Unix socket that another process has made.
    ///
    /// # Errors
    /// It does not listen, has no path, or cannot be made non-blocking.
    pub fn from_unix(socket: StdUnixListener) -> io::Result<Self> {
        must_listen(&SockRef::from(&socket))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let path =
            address.as_pathname().ok_or_else(|| io::Error::other("a Unix socket that was passed on has no path"))?;
        let path = path.to_owned();
        Ok(Self::new(Inner::Unix(UnixListener::from_std(socket), path), false))
    }

    fn new(inner: Inner, is_encrypted: bool) -> Self {
        // Connections may have come before the first edge is asked for.
        Self { inner, is_encrypted, owed: true, is_handed_over: false }
    }

    /// The same socket once more, for another process.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub fn to_owned_fd(&self) -> io::Result<OwnedFd> {
        match &self.inner {
            Inner::Tcp(listener) => listener.as_fd().try_clone_to_owned(),
            Inner::Unix(listener, _) => listener.as_fd().try_clone_to_owned(),
        }
    }

    /// Leaves the socket to the process it was passed on to. It must be deregistered as well: as long as anybody has it
    /// open, closing our descriptor does not end our events (epoll(7)).
    pub fn hand_over(&mut self) {
        self.is_handed_over = true;
    }

    /// Whether what it accepts speaks TLS.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Whether somebody may be waiting: an edge came, or the last round of accepting ended early.
    pub fn is_owed(&self) -> bool {
        self.owed
    }

    /// An edge has come.
    pub fn ready(&mut self) {
        self.owed = true;
    }

    /// Accepts one connection. What went wrong with a single one of them is that one's own affair.
    pub fn accept(&mut self) -> Accepted {
        loop {
            let accepted = match &self.inner {
                Inner::Tcp(listener) => listener.accept().map(|(stream, peer)| (Socket::Tcp(stream), Peer::Inet(peer))),
                Inner::Unix(listener, _) => listener.accept().map(|(stream, _)| (Socket::Unix(stream), Peer::Local)),
            };
            match accepted {
                Ok((socket, peer)) => return Accepted::Connection(socket, peer),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.owed = false;
                    return Accepted::Nobody;
                }
                Err(error) if is_exhaustion(&error) => return Accepted::Exhausted(error),
                // accept(2): errors already pending on the new connection are passed on here; go on to the next one.
                Err(error) => log::debug!("a connection failed before it was accepted: {error}"),
            }
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
                Err(error) => write!(f, "an address that cannot be told: {error}"),
            },
            Inner::Unix(_, path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Source for Listener {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match &mut self.inner {
            Inner::Tcp(listener) => listener.register(registry, token, interests),
            Inner::Unix(listener, _) => listener.register(registry, token, interests),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match &mut self.inner {
            Inner::Tcp(listener) => listener.reregister(registry, token, interests),
            Inner::Unix(listener, _) => listener.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match &mut self.inner {
            Inner::Tcp(listener) => listener.deregister(registry),
            Inner::Unix(listener, _) => listener.deregister(registry),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let (Inner::Unix(_, path), false) = (&self.inner, self.is_handed_over) {
            // Nothing listens there any more; that the path is gone already is no harm.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The addresses of `HOST:PORT`. Those of a link have a zone, `[fe80::1%eth0]:PORT`, which getaddrinfo(3) takes without
/// the brackets.
fn addresses(address: &str) -> io::Result<impl Iterator<Item = SocketAddr>> {
    let zoned = address.strip_prefix('[').and_then(|rest| rest.split_once("]:"));
    let zoned = zoned.filter(|(host, _)| host.contains('%')).and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match zoned {
        Some((host, port)) => (host, port).to_socket_addrs(),
        None => address.to_socket_addrs(),
    }
}

/// Binds the addresses of `HOST:PORT`: `localhost` has two, and a client may try either. One that this machine does not
/// have is left out, unless it is the only one; one that is in use is an error.
fn bind_inet(address: &str) -> io::Result<Vec<TcpListener>> {
    let mut refused = io::Error::new(ErrorKind::NotFound, "the name has no address");
    let mut bound: Vec<TcpListener> = Vec::new();
    for mut address in addresses(address)? {
        // The port that the kernel chose for the first address is the port of all.
        if let (0, Some(Ok(first))) = (address.port(), bound.first().map(TcpListener::local_addr)) {
            address.set_port(first.port());
        }
        let is_bound = |listener: &TcpListener| listener.local_addr().is_ok_and(|bound| bound == address);
        if bound.iter().any(is_bound) {
            continue;
        }
        match bind_address(address).or_else(|error| bind_without_ipv6(address, error)) {
            Ok(listener) => bound.push(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(error),
            Err(error) => refused = error,
        }
    }
    if bound.is_empty() { Err(refused) } else { Ok(bound) }
}

/// Binds all addresses of IPv4 in place of `[::]`, if the kernel has no IPv6.
fn bind_without_ipv6(address: SocketAddr, error: io::Error) -> io::Result<TcpListener> {
    match Errno::from_io_error(&error) {
        Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) if address.is_ipv6() && address.ip().is_unspecified() => {
            bind_address((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        _ => Err(error),
    }
}

fn bind_address(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    tune(&socket)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Sets on the listening socket what every accepted one is to have: on Linux they inherit all of it, which saves seven
/// system calls a connection.
fn tune(socket: &socket2::Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(NOT_SENT_BYTES_MAX)?;
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_nonblocking(true)
}

/// Accepting on a socket that does not listen fails for ever.
fn must_listen(socket: &socket2::Socket) -> io::Result<()> {
    match socket.is_listener()? {
        true => Ok(()),
        false => Err(io::Error::other("a socket does not listen")),
    }
}

/// Removes the socket of a server that has died, but never one that is served, nor anything that is no socket.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let refused = |error: &io::Error| error.kind() == ErrorKind::ConnectionRefused;
    if is_socket && StdUnixStream::connect(path).as_ref().is_err_and(refused) {
        std::fs::remove_file(path)?;
    }
    Ok(())
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
    fn accepted_sockets_inherit_the_options_of_the_listener() {
        let listener = bind_address(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let accepted = loop {
            match listener.accept() {
                Ok((accepted, _)) => break accepted,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        };
        let socket = socket2::SockRef::from(&accepted);
        assert!(socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), NOT_SENT_BYTES_MAX);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_IDLE);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), KEEPALIVE_INTERVAL);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), KEEPALIVE_PROBES);
        assert_eq!(socket.tcp_user_timeout().unwrap(), None);
    }

    #[test]
    fn name_is_bound_with_all_its_addresses_on_one_port() {
        let bound = bind_inet("localhost:0").unwrap();
        let addresses: Vec<SocketAddr> = bound.iter().map(|listener| listener.local_addr().unwrap()).collect();
        let names: Vec<SocketAddr> = ("localhost", addresses[0].port()).to_socket_addrs().unwrap().collect();
        assert!(addresses.iter().all(|address| names.contains(address)), "{addresses:?}");
        assert!(addresses.iter().any(SocketAddr::is_ipv4), "{addresses:?}");
        assert_eq!(bind_inet(&addresses[0].to_string()).unwrap_err().kind(), ErrorKind::AddrInUse);
    }

    #[test]
    fn a_dead_servers_socket_is_replaced_and_a_living_ones_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let address = ListenAddress::Unix(path.clone());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let living = Listener::bind(&address).unwrap();
        assert_eq!(living.len(), 1);
        assert_eq!(Listener::bind(&address).unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(living);
        assert!(!path.exists());
    }
}
