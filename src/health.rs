//! `framecast health`: asks a server for `/healthz`, where there is no other program that could.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::trust::Trust;
use crate::wire::printable::Printable;
use crate::wire::secret::{Credentials, SecretAddress, mask};
use crate::wire::url::Url;

/// How long the answer may take. The server gives it at once, or its loop hangs.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The most of a response that is read: its head and a sentence.
const RESPONSE_BYTES_MAX: u64 = 32 * 1024;

/// The most header fields that a response may have.
const HEAD_FIELDS_MAX: usize = 100;

/// The status that asks for credentials, or refuses those that were sent.
const UNAUTHORIZED: u16 = 401;

/// Why a server is not healthy.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The address cannot be asked.
    #[error("{url:?} is no address of a server: {why}")]
    Url {
        /// The address as it was given.
        url: SecretAddress,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file of certificates cannot be used.
    #[error("--ca {}: {error}; it takes a file of certificates in PEM form", path.display())]
    Certificates {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// It does not answer.
    #[error("{url} does not answer: {error}; check the address, and that the server runs")]
    Silent {
        /// The server's address.
        url: SecretAddress,
        /// What went wrong.
        error: io::Error,
    },
    /// Its certificate is not accepted.
    #[error(
        "{url}: certificate not accepted: {error}; give the certificate or its authority with --ca FILE, or --insecure"
    )]
    Certificate {
        /// The server's address.
        url: SecretAddress,
        /// What went wrong.
        error: io::Error,
    },
    /// It wants other credentials.
    #[error(
        "{url} refuses access (status 401); set FRAMECAST_AUTH=USER:PASSWORD or FRAMECAST_TOKEN"
    )]
    Access {
        /// The server's address.
        url: SecretAddress,
    },
    /// It reports a fault.
    #[error("{url} is not healthy (status {status}): {reason}")]
    Unhealthy {
        /// The server's address.
        url: SecretAddress,
        /// The status of the response.
        status: u16,
        /// The reason that it states.
        reason: String,
    },
}

/// Whom to ask, and how.
#[derive(Clone)]
pub struct Query {
    /// The server's address; its path and its query are kept.
    pub url: SecretAddress,
    /// User and password, unless the address holds some.
    pub credentials: Option<Credentials>,
    /// A token, sent where there are no credentials.
    pub token: Option<String>,
    /// The certificates that are accepted.
    pub trust: Trust,
}

/// Asks a server for `/healthz`, and returns what it states.
///
/// # Errors
/// The address cannot be asked, the server does not answer within 5 s or refuses access, or it
/// reports a fault.
pub fn ask(query: &Query) -> Result<String, HealthError> {
    let url = || query.url.clone();
    let (server, given) =
        Url::of_server(query.url.expose()).map_err(|why| HealthError::Url { url: url(), why })?;
    let config = server
        .is_encrypted()
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
        .below("healthz")
        .request("framecast-health", credentials.or(bearer).as_deref());
    let response = exchange(&server, &request, config).map_err(|error| {
        if is_about_certificate(&error) {
            HealthError::Certificate { url: url(), error }
        } else {
            HealthError::Silent { url: url(), error }
        }
    })?;
    let (status, body) = read_response(&response).ok_or_else(|| {
        let error = io::Error::other("its answer is not HTTP");
        HealthError::Silent { url: url(), error }
    })?;
    let reason = Printable(mask(String::from_utf8_lossy(body).trim())).to_string();
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

/// Whether a connection failed because its certificate is not accepted.
fn is_about_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

/// Sends a request, and returns what comes until the server closes the connection.
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
    let mut piece = [0; 4096];
    while (response.len() as u64) < RESPONSE_BYTES_MAX {
        stream
            .socket()
            .set_read_timeout(Some(remaining(deadline)?))?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => response.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A server may close the connection without an end of TLS.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && !response.is_empty() => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(response)
}

/// Connects to the first address of `server` that accepts.
fn connect(server: &Url, deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::other("its host has no address");
    let (host, port) = server.lookup();
    for address in (host.as_str(), port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, remaining(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    let remaining = deadline.saturating_duration_since(Instant::now());
    if remaining.is_zero() {
        Err(ErrorKind::TimedOut.into())
    } else {
        Ok(remaining)
    }
}

/// The status and the body of a response; `None` if it is not HTTP.
fn read_response(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let mut fields = [httparse::EMPTY_HEADER; HEAD_FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => Some((response.code?, bytes.get(head..)?)),
        _ => None,
    }
}

/// A connection, encrypted or not.
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
