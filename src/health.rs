//! `framecast health`: requests `/healthz` of a running server, for a machine without another HTTP
//! client.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::text::escaped::Escaped;
use crate::text::secret::{Credentials, SecretAddress, mask};
use crate::text::url::Url;
use crate::trust::Trust;

/// The timeout of the request. A server whose loop does not hang answers at once.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum size of a response: its head and one line.
const RESPONSE_BYTES_MAX: u64 = 32 * 1024;

/// The maximum number of header fields in a response.
const HEAD_FIELDS_MAX: usize = 100;

/// The status for missing or wrong credentials.
const UNAUTHORIZED: u16 = 401;

/// Why a server is not healthy.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The URL is invalid.
    #[error("{url:?}: invalid server address: {problem}")]
    Url {
        /// The URL as it was given.
        url: SecretAddress,
        /// The problem.
        problem: &'static str,
    },
    /// The file of certificates cannot be read.
    #[error("--ca {}: {error}; expected a PEM file with certificates", path.display())]
    Certificates {
        /// The path of the file.
        path: PathBuf,
        /// The problem.
        error: io::Error,
    },
    /// There was no response.
    #[error("{url}: no response: {error}; check the address, and that the server runs")]
    NoResponse {
        /// The server's URL.
        url: SecretAddress,
        /// The problem.
        error: io::Error,
    },
    /// The server's certificate is not trusted.
    #[error(
        "{url}: certificate not trusted: {error}; give the certificate or its authority with --ca FILE, or --insecure"
    )]
    Certificate {
        /// The server's URL.
        url: SecretAddress,
        /// The problem.
        error: io::Error,
    },
    /// The credentials are missing or wrong.
    #[error(
        "{url}: access refused (status 401); set FRAMECAST_AUTH=USER:PASSWORD or FRAMECAST_TOKEN"
    )]
    Access {
        /// The server's URL.
        url: SecretAddress,
    },
    /// The server reports a problem.
    #[error("{url}: not healthy (status {status}): {reason}")]
    Unhealthy {
        /// The server's URL.
        url: SecretAddress,
        /// The status of the response.
        status: u16,
        /// The reason in the response.
        reason: String,
    },
}

/// The server to check.
#[derive(Clone)]
pub struct Query {
    /// The server's URL. `healthz` is added to its path.
    pub url: SecretAddress,
    /// User and password, unless the URL has them.
    pub credentials: Option<Credentials>,
    /// A token, which is sent if there are no credentials.
    pub token: Option<String>,
    /// The trusted certificates.
    pub trust: Trust,
}

/// Requests `/healthz`, and returns the text of the response.
///
/// # Errors
/// The URL is invalid, the server does not respond within 5 s, refuses access, or reports a problem.
pub fn check(query: &Query) -> Result<String, HealthError> {
    let url = || query.url.clone();
    let (server, given) =
        Url::parse_http(query.url.expose()).map_err(|problem| HealthError::Url {
            url: url(),
            problem,
        })?;
    let config = server
        .is_https()
        .then(|| query.trust.config())
        .transpose()
        .map_err(|error| {
            let path = query.trust.certificates.clone().unwrap_or_default();
            HealthError::Certificates { path, error }
        })?;
    let credentials = given
        .as_ref()
        .or(query.credentials.as_ref())
        .map(Credentials::basic);
    let bearer = query.token.as_ref().map(|token| format!("Bearer {token}"));
    let request = server
        .subpath("healthz")
        .get_request("framecast-health", credentials.or(bearer).as_deref());
    let response = exchange(&server, &request, config).map_err(|error| {
        if is_about_certificate(&error) {
            HealthError::Certificate { url: url(), error }
        } else {
            HealthError::NoResponse { url: url(), error }
        }
    })?;
    let (status, body) = parse_response(&response).ok_or_else(|| {
        let error = io::Error::other("the response is not HTTP");
        HealthError::NoResponse { url: url(), error }
    })?;
    let reason = Escaped(mask(String::from_utf8_lossy(body).trim())).to_string();
    match status {
        200..=299 => Ok(reason),
        UNAUTHORIZED => Err(HealthError::Access { url: url() }),
        status => Err(HealthError::Unhealthy {
            url: url(),
            status,
            reason,
        }),
    }
}

/// Whether a connection failed because the certificate is not trusted.
fn is_about_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

/// Sends a request, and returns all bytes until the server closes the connection.
fn exchange(
    server: &Url,
    request: &[u8],
    config: Option<Arc<rustls::ClientConfig>>,
) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + TIMEOUT;
    let stream = connect(server, deadline)?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut stream: Box<dyn Stream> = match config {
        None => Box::new(stream),
        Some(config) => {
            let name =
                ServerName::try_from(server.server_name().to_owned()).map_err(io::Error::other)?;
            let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
            Box::new(StreamOwned::new(connection, stream))
        }
    };
    stream
        .socket()
        .set_read_timeout(Some(remaining(deadline)?))?;
    stream.write_all(request)?;
    let mut response = Vec::new();
    let mut buffer = [0; 4096];
    while (response.len() as u64) < RESPONSE_BYTES_MAX {
        stream
            .socket()
            .set_read_timeout(Some(remaining(deadline)?))?;
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => response.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The server may close the connection without close_notify.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && !response.is_empty() => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(response)
}

/// Connects to the first address of the server that accepts a connection.
fn connect(server: &Url, deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::other("the host has no address");
    let (host, port) = server.host_and_port();
    for address in (host.as_str(), port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, remaining(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Returns the time until `deadline`, or an error if there is none left.
fn remaining(deadline: Instant) -> io::Result<Duration> {
    let remaining = deadline.saturating_duration_since(Instant::now());
    if remaining.is_zero() {
        Err(ErrorKind::TimedOut.into())
    } else {
        Ok(remaining)
    }
}

/// Returns status and body of a response; `None` if it is not HTTP.
fn parse_response(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let mut fields = [httparse::EMPTY_HEADER; HEAD_FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => Some((response.code?, bytes.get(head..)?)),
        _ => None,
    }
}

/// A connection, with or without TLS.
trait Stream: Read + Write {
    fn socket(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}
