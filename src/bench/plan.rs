//! The plan of a run: plain values, validated once.

use std::fmt;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::Serialize;

use super::BenchError;
use super::tls::TlsConfig;
use crate::text::secret::{Credentials, SecretAddress};
use crate::text::url::Url;

/// The maximum duration of a measurement, in seconds: a day.
const SECONDS_MAX: f64 = 86_400.0;

/// The maximum number of churn viewers per second.
const CHURN_PER_SECOND_MAX: f64 = 10_000.0;

/// The time to try one of a host's addresses.
const TRYING_TIME: Duration = Duration::from_secs(2);

/// The plan of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The stream: `http://[USER:PASSWORD@]HOST[:PORT][/PATH]`, or `https://`.
    pub url: SecretAddress,
    /// Number of steady viewers, which read as fast as they can.
    pub viewers: usize,
    /// Duration of the measurement in seconds, once all viewers are connected.
    pub seconds: f64,
    /// Number of additional viewers that read at [`Plan::slow_bytes_per_second`].
    pub slow: usize,
    /// Read rate of a slow viewer, in bytes per second.
    pub slow_bytes_per_second: usize,
    /// Number of additional viewers that request the stream and never read it.
    pub stalled: usize,
    /// Additional viewers per second, each for one second.
    pub churn_per_second: f64,
    /// Whether all bytes are compared between viewers.
    pub verify: bool,
    /// Process id of the server, to measure its usage.
    pub pid: Option<u32>,
}

impl Plan {
    /// Creates a plan with steady viewers only.
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

    /// Returns the duration of the measurement.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.0, SECONDS_MAX))
    }

    /// Returns the number of viewers without churn.
    pub fn staying(&self) -> usize {
        [self.slow, self.stalled]
            .iter()
            .fold(self.viewers, |sum, more| sum.saturating_add(*more))
    }

    /// Returns the maximum number of connections at one time.
    pub fn connections(&self) -> usize {
        let passing = self.churn_per_second.clamp(0.0, CHURN_PER_SECOND_MAX);
        self.staying().saturating_add(passing.ceil() as usize)
    }

    /// Validates the plan.
    ///
    /// # Errors
    /// A value is out of range, or there are no viewers.
    pub fn check(&self) -> Result<(), BenchError> {
        let invalid = |what: &str| Err(BenchError::Plan(what.to_owned()));
        if self.connections() == 0 {
            return invalid("--viewers: no viewers; ask for at least one");
        }
        if !(self.seconds > 0.0 && self.seconds <= SECONDS_MAX) {
            return invalid("--seconds: expected a number above 0 and at most 86400");
        }
        if !(0.0..=CHURN_PER_SECOND_MAX).contains(&self.churn_per_second) {
            return invalid("--churn: expected a number from 0 to 10000");
        }
        if self.slow > 0 && self.slow_bytes_per_second == 0 {
            return invalid(
                "--slow-rate: expected a number above 0; use --stalled for viewers that read nothing",
            );
        }
        Ok(())
    }
}

/// The address of the server and the request.
#[derive(Clone)]
pub struct Target {
    /// The address.
    pub address: SocketAddr,
    /// The request head, which may contain credentials.
    pub request: Vec<u8>,
    /// The TLS configuration for `https://`.
    pub(super) tls: Option<TlsConfig>,
}

/// Omits the request, which may contain credentials.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Target")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Target {
    /// Parses a URL and resolves its host. This blocks, so it happens before the loop starts.
    ///
    /// # Errors
    /// The URL is invalid or the host is unknown.
    pub fn resolve(url: &SecretAddress) -> Result<Self, BenchError> {
        let invalid = |why: &'static str| BenchError::Url {
            url: url.clone(),
            why,
        };
        let (parsed, credentials) = Url::parse_http(url.expose()).map_err(invalid)?;
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
            .ok_or_else(|| invalid("the host has no address"))?;
        let tls = parsed
            .is_https()
            .then(|| TlsConfig::with(parsed.server_name()))
            .transpose();
        let tls = tls.map_err(|_| invalid("the host is no valid TLS server name"))?;
        Ok(Self {
            address,
            request,
            tls,
        })
    }
}

/// Returns the first address that accepts connections: `localhost` has two, and many servers listen on
/// one only.
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
    fn credentials_are_sent_but_not_displayed() {
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
    fn first_accepting_address_is_used() {
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
    fn invalid_url_is_rejected() {
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
    fn invalid_plan_is_rejected() {
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
