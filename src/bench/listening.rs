//! Finds the process of this machine that listens at an address (proc(5)).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

/// The state of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// The reason why the process is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoServer {
    /// The address belongs to another machine.
    #[error("{0} is another machine, so the server's CPU time and memory are unknown")]
    Remote(IpAddr),
    /// No process was found: none listens there, or this user may not read its file descriptors.
    #[error("no process found that listens at {0}; use --pid")]
    NotFound(SocketAddr),
    /// The socket is shared, as between the workers of some servers.
    #[error("several processes listen at {address}: {}; choose one with --pid", list(.pids))]
    Several {
        /// The address.
        address: SocketAddr,
        /// Their process ids, in ascending order.
        pids: Vec<u32>,
    },
}

/// Returns the process id of the process that listens at `address`.
///
/// # Errors
/// No process was found, or several.
pub fn process_at(address: SocketAddr) -> Result<u32, NoServer> {
    if !is_of_this_machine(address.ip()) {
        return Err(NoServer::Remote(address.ip()));
    }
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"]
        .map(|path| fs::read_to_string(path).unwrap_or_default());
    let sockets = tables
        .iter()
        .flat_map(|table| table.lines())
        .filter_map(listening_socket);
    let inodes: Vec<u64> = sockets
        .filter(|(at, _)| serves(*at, address))
        .map(|(_, inode)| inode)
        .collect();
    let pids = holders(&inodes);
    match pids[..] {
        [] => Err(NoServer::NotFound(address)),
        [pid] => Ok(pid),
        [..] => Err(NoServer::Several { address, pids }),
    }
}

/// Whether an address belongs to this machine: only then a socket can bind to it.
fn is_of_this_machine(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

/// Parses a line of `/proc/net/tcp`. Returns address and inode of a listening socket.
fn listening_socket(line: &str) -> Option<(SocketAddr, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, LISTEN, _, _, _, _, _, inode, ..] = fields[..] else {
        return None;
    };
    let (ip, port) = local.split_once(':')?;
    let address = SocketAddr::new(parse_ip(ip)?, u16::from_str_radix(port, 16).ok()?);
    Some((address, inode.parse().ok()?))
}

/// Parses an address: one 32-bit word for IPv4, four for IPv6, each printed as a number in the byte
/// order of this machine.
fn parse_ip(hex: &str) -> Option<IpAddr> {
    let words = (0..hex.len())
        .step_by(8)
        .map(|start| u32::from_str_radix(hex.get(start..start + 8)?, 16).ok());
    let bytes: Vec<u8> = words
        .collect::<Option<Vec<u32>>>()?
        .into_iter()
        .flat_map(u32::to_ne_bytes)
        .collect();
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes)
            .ok()
            .map(|bytes| Ipv4Addr::from(bytes).into()),
        16 => <[u8; 16]>::try_from(bytes)
            .ok()
            .map(|bytes| Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

/// Whether a socket that listens at `at` accepts connections to `address`. A socket on `[::]` usually
/// accepts IPv4 too.
fn serves(at: SocketAddr, address: SocketAddr) -> bool {
    let takes_any = at.ip().is_unspecified() && (at.is_ipv6() || address.is_ipv4());
    at.port() == address.port()
        && (takes_any || at.ip().to_canonical() == address.ip().to_canonical())
}

/// Returns the ids of the processes that have one of these sockets open.
fn holders(inodes: &[u64]) -> Vec<u32> {
    let sockets: Vec<String> = inodes
        .iter()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let is_one = |file: &Path| {
        sockets
            .iter()
            .any(|socket| file.as_os_str() == socket.as_str())
    };
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut pids: Vec<u32> = pids
        .filter(|pid| {
            let files = fs::read_dir(format!("/proc/{pid}/fd"));
            let mut links = files
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|file| fs::read_link(file.path()).ok());
            links.any(|link| is_one(&link))
        })
        .collect();
    pids.sort_unstable();
    pids
}

fn list(pids: &[u32]) -> String {
    pids.iter()
        .map(u32::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn listening_socket_is_parsed_from_proc_net_tcp() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 12345 1 0 100";
        let word = u32::from_ne_bytes([127, 0, 0, 1]);
        let line = line.replace("0100007F", &format!("{word:08X}"));
        assert_eq!(
            listening_socket(&line),
            Some(("127.0.0.1:8080".parse().unwrap(), 12345))
        );
        assert_eq!(
            listening_socket(&line.replace(" 0A ", " 01 ")),
            None,
            "an open connection"
        );
        for bad in [
            "",
            "sl local_address rem_address st",
            &line.replace("7F", ""),
            &line.replace(":1F90", ":FFFFF"),
        ] {
            assert_eq!(listening_socket(bad), None, "{bad}");
        }
    }

    #[test]
    fn wildcard_address_accepts_connections_to_its_port() {
        let serves =
            |at: &str, address: &str| serves(at.parse().unwrap(), address.parse().unwrap());
        for at in [
            "127.0.0.1:80",
            "0.0.0.0:80",
            "[::]:80",
            "[::ffff:127.0.0.1]:80",
        ] {
            assert!(serves(at, "127.0.0.1:80"), "{at}");
            assert!(!serves(at, "127.0.0.1:81"), "{at}");
        }
        assert!(!serves("127.0.0.2:80", "127.0.0.1:80"));
        assert!(!serves("0.0.0.0:80", "[::1]:80"));
    }

    #[test]
    fn listening_process_is_found_until_it_closes() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue;
            };
            let address = listener.local_addr().unwrap();
            assert_eq!(process_at(address), Ok(std::process::id()), "{address}");
            drop(listener);
            assert_eq!(process_at(address), Err(NoServer::NotFound(address)));
        }
    }

    #[test]
    fn address_of_another_machine_is_remote() {
        let elsewhere = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(
            process_at((elsewhere, 80).into()),
            Err(NoServer::Remote(elsewhere))
        );
    }
}
