//! What a crowd is asked to do: plain values, checked once.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::Serialize;

use super::BenchError;
use super::tls::Secrecy;

/// The longest run a plan may ask for. A day is more than any figure here needs to settle.
const SECONDS_MAX: f64 = 86_400.0;

/// The most viewers that may join per second on top of those that stay.
const CHURN_PER_SECOND_MAX: f64 = 10_000.0;

/// How long one of a host's several addresses is tried for.
const TRYING_TIME: Duration = Duration::from_secs(2);

/// What a crowd does, and to whom.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The stream: `http://HOST[:PORT][/PATH]`, or `https://`.
    pub url: String,
    /// Viewers that stay for the whole run and read as fast as they can.
    pub viewers: usize,
    /// How long figures are taken, in seconds, once everybody has joined.
    pub seconds: f64,
    /// Viewers on top that read no more than [`Plan::slow_bytes_per_second`].
    pub slow: usize,
    /// What a slow viewer reads, in bytes per second.
    pub slow_bytes_per_second: usize,
    /// Viewers on top that ask for the stream and never read a byte of it.
    pub stalled: usize,
    /// Viewers on top that come each second, each to stay for one second.
    pub churn_per_second: f64,
    /// Whether every byte of every picture is summed and compared between viewers.
    pub verify: bool,
    /// The server's process, to report what it cost.
    pub pid: Option<u32>,
}

impl Plan {
    /// A crowd of `viewers` that read as fast as they can for `seconds`; everything else is added by field.
    pub fn new(url: &str, viewers: usize, seconds: f64) -> Self {
        Self {
            url: url.to_owned(),
            viewers,
            seconds,
            slow: 0,
            slow_bytes_per_second: 50_000,
            stalled: 0,
            churn_per_second: 0.0,
            verify: false,
            pid: None,
        }
    }

    /// How long figures are taken.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.0, SECONDS_MAX))
    }

    /// Viewers that stay for the whole run.
    pub fn staying(&self) -> usize {
        [self.slow, self.stalled].iter().fold(self.viewers, |sum, more| sum.saturating_add(*more))
    }

    /// The most connections the plan has open at once.
    pub fn connections(&self) -> usize {
        let passing = self.churn_per_second.clamp(0.0, CHURN_PER_SECOND_MAX);
        self.staying().saturating_add(passing.ceil() as usize)
    }

    /// Refuses a plan that makes no sense, in one sentence.
    pub fn check(&self) -> Result<(), BenchError> {
        let refuse = |what: &str| Err(BenchError::Plan(what.to_owned()));
        if self.connections() == 0 {
            return refuse("nobody would watch; ask for at least one viewer with --viewers");
        }
        if !(self.seconds > 0.0 && self.seconds <= SECONDS_MAX) {
            return refuse("--seconds takes a number above 0 and at most 86400");
        }
        if !(0.0..=CHURN_PER_SECOND_MAX).contains(&self.churn_per_second) {
            return refuse("--churn takes a number of viewers a second from 0 to 10000");
        }
        if self.slow > 0 && self.slow_bytes_per_second == 0 {
            return refuse("--slow-rate takes a number above 0; for viewers that read nothing, ask for --stalled ones");
        }
        Ok(())
    }
}

/// Where a plan's address leads, and what to say there.
#[derive(Clone, Debug)]
pub struct Target {
    /// The server.
    pub address: SocketAddr,
    /// The request head each viewer sends.
    ///
    /// It is HTTP/1.0 with a `Host`: every server answers that without chunks (RFC 9112, section 6.1), so no viewer
    /// has to take chunks apart.
    pub request: Vec<u8>,
    /// What it is said through, on `https://`.
    pub(super) secrecy: Option<Secrecy>,
}

impl Target {
    /// Takes an address apart and looks its host up, which may block: this happens before the loop starts.
    pub fn resolve(url: &str) -> Result<Self, BenchError> {
        let refuse = |why: &'static str| BenchError::Url { url: url.to_owned(), why };
        let (is_encrypted, rest) = match url.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(refuse("it must begin with http:// or https://")),
        };
        if rest.bytes().any(|byte| byte <= b' ' || byte >= 0x7f) {
            return Err(refuse("it holds a space or a byte outside ASCII; escape it"));
        }
        let rest = rest.split('#').next().unwrap_or(rest);
        let split = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(split);
        if let Some((login, _)) = authority.rsplit_once('@') {
            // What is secret is not repeated.
            let why = "user names and passwords in it are not supported";
            return Err(BenchError::Url { url: url.replace(login, "…"), why });
        }
        if !is_host(authority) {
            return Err(refuse(
                "write http://HOST:PORT/PATH with a port up to 65535, and brackets around IPv6 as in [::1]",
            ));
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        let request = format!("GET {slash}{path} HTTP/1.0\r\nHost: {authority}\r\nUser-Agent: framecast-bench\r\n\r\n");
        let lookup = match has_port(authority) {
            true => authority.to_socket_addrs(),
            false => format!("{authority}:{}", if is_encrypted { 443 } else { 80 }).to_socket_addrs(),
        };
        let found = lookup.map_err(|source| BenchError::Lookup { url: url.to_owned(), source })?;
        let address = first_served(&found.collect::<Vec<_>>()).ok_or_else(|| refuse("its host has no address"))?;
        let secrecy = is_encrypted.then(|| Secrecy::with(host(authority))).transpose();
        let secrecy = secrecy.map_err(|_| refuse("its host cannot be the name of a server that encrypts"))?;
        Ok(Self { address, request: request.into_bytes(), secrecy })
    }
}

/// Of a host's addresses, the first where somebody accepts: `localhost` is two, and many servers listen on one.
fn first_served(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    let is_served = |address: &&SocketAddr| TcpStream::connect_timeout(address, TRYING_TIME).is_ok();
    match addresses {
        [only] => Some(*only),
        several => several.iter().find(is_served).or(several.first()).copied(),
    }
}

/// An authority without its port, and without brackets.
fn host(authority: &str) -> &str {
    let host = match has_port(authority) {
        true => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
        false => authority,
    };
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Whether an authority can be looked up: a host, its brackets closed, and a port that is a number.
fn is_host(authority: &str) -> bool {
    let (host, port) = match has_port(authority) {
        true => authority.rsplit_once(':').unwrap_or((authority, "")),
        false => (authority, "80"),
    };
    let is_closed = host.starts_with('[') == host.ends_with(']') && (host.starts_with('[') || !host.contains(':'));
    !host.is_empty() && is_closed && port.parse::<u16>().is_ok()
}

/// Whether an authority names a port; the colons inside `[::1]` are not one.
fn has_port(authority: &str) -> bool {
    let after_brackets = authority.rsplit(']').next().unwrap_or(authority);
    after_brackets.contains(':')
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        for (url, address, line) in [
            ("http://127.0.0.1:8080/stream", "127.0.0.1:8080", "GET /stream HTTP/1.0"),
            ("http://127.0.0.1/?action=stream", "127.0.0.1:80", "GET /?action=stream HTTP/1.0"),
            ("http://127.0.0.1:81?action=stream", "127.0.0.1:81", "GET /?action=stream HTTP/1.0"),
            ("http://[::1]#top", "[::1]:80", "GET / HTTP/1.0"),
            ("https://127.0.0.1/stream", "127.0.0.1:443", "GET /stream HTTP/1.0"),
            ("https://[::1]:8443/", "[::1]:8443", "GET / HTTP/1.0"),
        ] {
            let target = Target::resolve(url).unwrap();
            assert_eq!(target.address.to_string(), address, "{url}");
            assert_eq!(target.secrecy.is_some(), url.starts_with("https"), "{url}");
            assert!(String::from_utf8(target.request).unwrap().starts_with(line), "{url}");
        }
    }

    #[test]
    fn of_several_addresses_the_one_that_is_served_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let served = listener.local_addr().unwrap();
        let silent = SocketAddr::from(([127, 0, 0, 2], served.port()));
        assert_eq!(first_served(&[silent, served]), Some(served));
        drop(listener);
        assert_eq!(first_served(&[silent, served]), Some(silent));
        assert_eq!((first_served(&[silent]), first_served(&[])), (Some(silent), None));
    }

    #[test]
    fn an_address_that_cannot_be_asked_is_refused() {
        for url in ["ftp://127.0.0.1/", "127.0.0.1:80", "http://a:b@127.0.0.1/", "http://127.0.0.1/a b", "http:///x"] {
            assert!(Target::resolve(url).is_err(), "{url}");
        }
        for url in ["http://127.0.0.1:99999/", "http://127.0.0.1:/", "http://[::1/", "http://::1/", "http://:80/"] {
            assert!(matches!(Target::resolve(url), Err(BenchError::Url { .. })), "{url}");
        }
    }

    #[test]
    fn a_plan_without_sense_is_refused() {
        assert!(Plan::new("", 1, 1.0).check().is_ok());
        assert!(Plan::new("", 0, 1.0).check().is_err());
        assert!(Plan::new("", 1, f64::NAN).check().is_err());
        assert!(Plan { churn_per_second: -1.0, ..Plan::new("", 1, 1.0) }.check().is_err());
        assert!(Plan { slow: 1, slow_bytes_per_second: 0, ..Plan::new("", 1, 1.0) }.check().is_err());
    }
}
