//! What a crowd is asked to do: plain values, checked once.

use std::fmt;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::Serialize;

use super::BenchError;
use super::tls::Secrecy;
use crate::text::secret::{Credentials, SecretAddress};
use crate::text::url::Url;

/// The longest run a plan may ask for. A day is more than any figure here needs to settle.
const SECONDS_MAX: f64 = 86_400.0;

/// The most viewers that may join per second on top of those that stay.
const CHURN_PER_SECOND_MAX: f64 = 10_000.0;

/// How long one of a host's several addresses is tried for.
const TRYING_TIME: Duration = Duration::from_secs(2);

/// What a crowd does, and to whom.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The stream: `http://[USER:PASSWORD@]HOST[:PORT][/PATH]`, or `https://`.
    pub url: SecretAddress,
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
    /// A crowd of `viewers` that read as fast as they can for `seconds`; everything else is added
    /// by field.
    pub fn new(url: &str, viewers: usize, seconds: f64) -> Self {
        Self {
            url: SecretAddress::new(url),
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
        [self.slow, self.stalled]
            .iter()
            .fold(self.viewers, |sum, more| sum.saturating_add(*more))
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
            return refuse("--viewers: no viewers; ask for at least one");
        }
        if !(self.seconds > 0.0 && self.seconds <= SECONDS_MAX) {
            return refuse("--seconds: expected a number above 0 and at most 86400");
        }
        if !(0.0..=CHURN_PER_SECOND_MAX).contains(&self.churn_per_second) {
            return refuse("--churn: expected a number from 0 to 10000");
        }
        if self.slow > 0 && self.slow_bytes_per_second == 0 {
            return refuse(
                "--slow-rate: expected a number above 0; use --stalled for viewers that read nothing",
            );
        }
        Ok(())
    }
}

/// Where a plan's address leads, and what is sent there.
#[derive(Clone)]
pub struct Target {
    /// The server.
    pub address: SocketAddr,
    /// The request head that each viewer sends. There may be credentials in it.
    pub request: Vec<u8>,
    /// The encryption of `https://`.
    pub(super) secrecy: Option<Secrecy>,
}

/// Without the request, which may hold credentials.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Target")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Target {
    /// Divides an address and looks its host up, which may block: this happens before the loop
    /// starts.
    pub fn resolve(url: &SecretAddress) -> Result<Self, BenchError> {
        let refuse = |why: &'static str| BenchError::Url {
            url: url.clone(),
            why,
        };
        let (parsed, credentials) = Url::parse_http(url.expose()).map_err(refuse)?;
        let authorization = credentials.as_ref().map(Credentials::basic);
        let request = parsed.get_request("framecast-bench", authorization.as_deref());
        let (host, port) = parsed.host_and_port();
        let found =
            (host.as_str(), port)
                .to_socket_addrs()
                .map_err(|source| BenchError::Lookup {
                    url: url.clone(),
                    source,
                })?;
        let address = first_served(&found.collect::<Vec<_>>())
            .ok_or_else(|| refuse("its host has no address"))?;
        let secrecy = parsed
            .is_https()
            .then(|| Secrecy::with(parsed.server_name()))
            .transpose();
        let secrecy =
            secrecy.map_err(|_| refuse("its host cannot be the name of a server that encrypts"))?;
        Ok(Self {
            address,
            request,
            secrecy,
        })
    }
}

/// Of a host's addresses, the first where somebody accepts: `localhost` is two, and many servers
/// listen on one.
fn first_served(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    let is_served =
        |address: &&SocketAddr| TcpStream::connect_timeout(address, TRYING_TIME).is_ok();
    match addresses {
        [only] => Some(*only),
        several => several.iter().find(is_served).or(several.first()).copied(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn credentials_of_the_address_are_sent_and_not_shown() {
        let url = SecretAddress::new("http://ann:s3cret@127.0.0.1:1/stream?token=s3cret");
        let target = Target::resolve(&url).unwrap();
        let request = String::from_utf8(target.request.clone()).unwrap();
        assert!(
            request.starts_with("GET /stream?token=s3cret HTTP/1.0\r\n"),
            "{request}"
        );
        assert!(
            request.contains("\r\nAuthorization: Basic YW5uOnMzY3JldA==\r\n"),
            "{request}"
        );
        let plan = Plan::new(url.expose(), 1, 1.0);
        let shown = format!(
            "{target:?} {plan:?} {}",
            serde_json::to_string(&plan).unwrap()
        );
        assert!(
            !shown.contains("s3cret") && shown.contains("http://***@127.0.0.1:1/stream?token=***"),
            "{shown}"
        );
    }

    #[test]
    fn of_several_addresses_the_one_that_is_served_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let served = listener.local_addr().unwrap();
        let silent = SocketAddr::from(([127, 0, 0, 2], served.port()));
        assert_eq!(first_served(&[silent, served]), Some(served));
        drop(listener);
        assert_eq!(first_served(&[silent, served]), Some(silent));
        assert_eq!(
            (first_served(&[silent]), first_served(&[])),
            (Some(silent), None)
        );
    }

    #[test]
    fn an_address_that_cannot_be_asked_is_refused() {
        for url in [
            "ftp://127.0.0.1/",
            "127.0.0.1:80",
            "http:///x",
            "http://[::1/",
        ] {
            assert!(
                matches!(
                    Target::resolve(&SecretAddress::new(url)),
                    Err(BenchError::Url { .. })
                ),
                "{url}"
            );
        }
    }

    #[test]
    fn a_plan_without_sense_is_refused() {
        assert!(Plan::new("", 1, 1.0).check().is_ok());
        assert!(Plan::new("", 0, 1.0).check().is_err());
        assert!(Plan::new("", 1, f64::NAN).check().is_err());
        assert!(
            Plan {
                churn_per_second: -1.0,
                ..Plan::new("", 1, 1.0)
            }
            .check()
            .is_err()
        );
        assert!(
            Plan {
                slow: 1,
                slow_bytes_per_second: 0,
                ..Plan::new("", 1, 1.0)
            }
            .check()
            .is_err()
        );
    }
}
