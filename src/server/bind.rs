//! Binds listening sockets, and sets the options that accepted sockets inherit.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use mio::net::TcpListener;
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, TcpKeepalive, Type};

/// The length of the backlog. The kernel uses the smaller of this and `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// The unsent bytes in the kernel above which a socket is not writable (`TCP_NOTSENT_LOWAT`,
/// tcp(7)). Without it, the kernel queues seconds of frames for a slow viewer, who then sees old
/// pictures. A fast viewer loses nothing.
const NOT_SENT_BYTES_MAX: u32 = 16 * 1024;

/// An idle connection whose peer has vanished is closed after 15 s of silence and 3 probes at 5 s.
/// While a reply is sent, the stall timeout does that. `TCP_USER_TIMEOUT` is not set: the kernel also
/// counts the time in which the peer's window is smaller than one segment, and so would close a slow
/// reader that never stops reading.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;

/// Resolves `HOST:PORT`. A link-local address has a zone, `[fe80::1%eth0]:PORT`, which
/// getaddrinfo(3) accepts without the brackets only.
fn addresses(address: &str) -> io::Result<impl Iterator<Item = SocketAddr>> {
    let zoned = address
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]:"));
    let zoned = zoned
        .filter(|(host, _)| host.contains('%'))
        .and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match zoned {
        Some((host, port)) => (host, port).to_socket_addrs(),
        None => address.to_socket_addrs(),
    }
}

/// Binds all addresses of `HOST:PORT`: `localhost` has two, and a client may use either. An address
/// that this machine does not have is skipped, unless it is the only one. An address in use is an
/// error.
pub(super) fn bind_inet(address: &str) -> io::Result<Vec<TcpListener>> {
    let mut failure = io::Error::new(ErrorKind::NotFound, "the name has no address");
    let mut bound: Vec<TcpListener> = Vec::new();
    for mut address in addresses(address)? {
        // With port 0, all addresses get the port that the kernel chose for the first.
        if let (0, Some(Ok(first))) = (address.port(), bound.first().map(TcpListener::local_addr)) {
            address.set_port(first.port());
        }
        let is_bound =
            |listener: &TcpListener| listener.local_addr().is_ok_and(|bound| bound == address);
        if bound.iter().any(is_bound) {
            continue;
        }
        match bind_address(address).or_else(|error| bind_without_ipv6(address, error)) {
            Ok(listener) => bound.push(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(error),
            Err(error) => failure = error,
        }
    }
    if bound.is_empty() {
        Err(failure)
    } else {
        Ok(bound)
    }
}

/// Binds `0.0.0.0` instead of `[::]` if the kernel has no IPv6.
fn bind_without_ipv6(address: SocketAddr, error: io::Error) -> io::Result<TcpListener> {
    match Errno::from_io_error(&error) {
        Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)
            if address.is_ipv6() && address.ip().is_unspecified() =>
        {
            bind_address((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        _ => Err(error),
    }
}

fn bind_address(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    tune(&socket)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Sets the options on the listening socket. On Linux, accepted sockets inherit them, which saves
/// seven system calls for each connection.
pub(super) fn tune(socket: &socket2::Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(NOT_SENT_BYTES_MAX)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_nonblocking(true)
}

/// Checks that a socket listens: otherwise, accept would never succeed.
pub(super) fn must_listen(socket: &socket2::Socket) -> io::Result<()> {
    if socket.is_listener()? {
        Ok(())
    } else {
        Err(io::Error::other("the socket does not listen"))
    }
}

/// Removes the Unix socket that a killed server has left. Does not remove the socket of a running
/// server, nor any other file.
pub(super) fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket =
        std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let refused = |error: &io::Error| error.kind() == ErrorKind::ConnectionRefused;
    if is_socket && UnixStream::connect(path).as_ref().is_err_and(refused) {
        std::fs::remove_file(path)?;
    }
    Ok(())
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
    fn host_name_is_bound_with_all_its_addresses_on_one_port() {
        let bound = bind_inet("localhost:0").unwrap();
        let addresses: Vec<SocketAddr> = bound
            .iter()
            .map(|listener| listener.local_addr().unwrap())
            .collect();
        let names: Vec<SocketAddr> = ("localhost", addresses[0].port())
            .to_socket_addrs()
            .unwrap()
            .collect();
        assert!(
            addresses.iter().all(|address| names.contains(address)),
            "{addresses:?}"
        );
        assert!(addresses.iter().any(SocketAddr::is_ipv4), "{addresses:?}");
        assert_eq!(
            bind_inet(&addresses[0].to_string()).unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
    }
}
