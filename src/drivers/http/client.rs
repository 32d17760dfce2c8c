//! Requests to a camera: redirects, logins and reuse of the connection.

use std::cell::OnceCell;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustls::ClientConfig;

use super::auth::{Login, Tried};
use super::body::{Found, Framing};
use super::connection::Connection;
use super::cookies::Cookies;
use super::error::Fault;
use super::head::{Head, HeadReader, shown};
use super::settings::Http;
use crate::text::url::{Origin, Url};
use crate::trust::Trust;

/// The size of the read buffer.
const BUFFER_BYTES: usize = 128 * 1024;

/// The maximum number of requests for one response: redirects and logins.
const REQUESTS_MAX: usize = 20;

/// The body of a redirect or a challenge is read up to this length, so that its connection can be
/// reused.
const DISCARDED_BYTES_MAX: usize = 64 * 1024;

/// An HTTP client for one camera. It reuses the connection if the camera keeps it open.
pub(super) struct Client<'a> {
    source: &'a Http,
    /// The TLS settings, made for the first encrypted connection: that reads the system's
    /// certificate store.
    tls: OnceCell<Arc<ClientConfig>>,
    cookies: Cookies,
    /// The login, after a challenge. Later requests are sent with it.
    login: Option<Login>,
    idle: Option<(Origin, Stream)>,
}

/// A connection with its received bytes.
struct Stream {
    connection: Connection,
    received: BytesMut,
    buffer: Box<[u8]>,
}

/// A response: its head, and the body received so far.
pub(super) struct Response {
    pub(super) head: Head,
    origin: Origin,
    framing: Framing,
    /// The decoded body that the caller has not consumed.
    pub(super) body: BytesMut,
    stream: Stream,
    ended: bool,
}

/// Whether the query of a URL has this parameter.
fn has_parameter(url: &Url, name: &str) -> bool {
    let query = url.target().split_once('?').map_or("", |(_, query)| query);
    query
        .split('&')
        .any(|parameter| parameter.split('=').next() == Some(name))
}

/// The result of waiting for more of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    More,
    End,
    Timeout,
}

impl<'a> Client<'a> {
    pub(super) fn new(source: &'a Http) -> Self {
        Self {
            source,
            tls: OnceCell::new(),
            cookies: Cookies::default(),
            login: None,
            idle: None,
        }
    }

    /// Requests the source's URL, with `If-None-Match` if the tag of the newest picture is `known`.
    /// Follows redirects and answers challenges.
    ///
    /// Sends credentials only to the origin of the source's URL, and only after a challenge.
    pub(super) fn get(&mut self, known: Option<&[u8]>) -> Result<Response, Fault> {
        let mut url = self.source.url.clone();
        let mut tried = Tried::default();
        for _ in 0..REQUESTS_MAX {
            let response = self.request(&url, known)?;
            self.cookies.store(&url, &response.head);
            match response.head.status {
                304 if known.is_some() => return Ok(response),
                200..=299 if !matches!(response.head.status, 204 | 205) => return Ok(response),
                300..=308
                    if response.head.all("Location").next().is_some()
                        && response.head.status != 304 =>
                {
                    let location = response.head.all("Location").next().unwrap_or_default();
                    let next = url.join(location).ok_or(Fault::Redirects)?;
                    if next != url {
                        tried = Tried::default();
                    }
                    url = next;
                }
                401 => self.login = Some(self.next_login(&url, &response.head, &mut tried)?),
                403 => return Err(Fault::Forbidden),
                404 if has_parameter(&url, "camera") => return Err(Fault::CameraNotFound),
                404 => return Err(Fault::NotFound),
                status => return Err(Fault::Status(named(status))),
            }
            self.discard(response);
        }
        Err(Fault::Redirects)
    }

    fn next_login(&self, url: &Url, head: &Head, tried: &mut Tried) -> Result<Login, Fault> {
        if url.origin() != self.source.url.origin() {
            return Err(Fault::CredentialsElsewhere(shown(url.host().as_bytes())));
        }
        if self.source.credentials.is_none() {
            return Err(if has_parameter(url, "token") {
                Fault::TokenRejected
            } else {
                Fault::CredentialsMissing
            });
        }
        Login::next(head, tried)
    }

    /// Sends one request and reads the head of its response.
    fn request(&mut self, url: &Url, known: Option<&[u8]>) -> Result<Response, Fault> {
        let request = self.encode(url, known);
        // The camera may close an idle connection just when the request is sent: retry on a new
        // connection (RFC 9112, section 9.3.1).
        if let Some((origin, stream)) = self
            .idle
            .take()
            .filter(|(origin, _)| *origin == url.origin())
        {
            match self.exchange(stream, origin, &request) {
                Err(Fault::Closed) => {}
                outcome => return outcome,
            }
        }
        let connection = Connection::open(url, || self.tls_config(), self.source.timeout())?;
        let stream = Stream {
            connection,
            received: BytesMut::new(),
            buffer: vec![0; BUFFER_BYTES].into(),
        };
        self.exchange(stream, url.origin(), &request)
    }

    fn tls_config(&self) -> Arc<ClientConfig> {
        Arc::clone(
            self.tls
                .get_or_init(|| Trust::client_config(self.source.insecure)),
        )
    }

    /// Encodes a request for `url`. The case of the field names is the common one: for some cameras
    /// it matters.
    fn encode(&mut self, url: &Url, known: Option<&[u8]>) -> Vec<u8> {
        let mut request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: framecast/{}\r\nAccept: */*\r\n",
            url.target(),
            url.host_field(),
            env!("CARGO_PKG_VERSION")
        )
        .into_bytes();
        let mut put =
            |name: &[u8], value: &[u8]| request.extend([name, b": ", value, b"\r\n"].concat());
        if let Some(known) = known {
            put(b"If-None-Match", known);
        }
        let cookies = self.cookies.field(url);
        if !cookies.is_empty() {
            put(b"Cookie", &cookies);
        }
        if url.origin() == self.source.url.origin()
            && let (Some(login), Some(credentials)) = (&mut self.login, &self.source.credentials)
        {
            put(
                b"Authorization",
                &login.authorization(credentials, url.target()),
            );
        }
        request.extend(b"\r\n");
        request
    }

    fn exchange(
        &self,
        mut stream: Stream,
        origin: Origin,
        request: &[u8],
    ) -> Result<Response, Fault> {
        let timeout = self.source.timeout();
        stream
            .connection
            .send(request)
            .map_err(|error| Fault::from_io(&error, timeout))?;
        let deadline = Instant::now() + timeout;
        let mut reader = HeadReader::default();
        let head = loop {
            if let Some(head) = reader.read(&mut stream.received)? {
                break head;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match stream.read(left) {
                Ok(Read::More) if !left.is_zero() => {}
                Ok(Read::End) if !stream.received.is_empty() && !reader.has_begun() => {
                    return Err(Fault::NotHttp(shown(&stream.received)));
                }
                Ok(Read::End) => return Err(Fault::Closed),
                Ok(Read::Timeout | Read::More) => return Err(Fault::Silent(timeout)),
                Err(error) => return Err(Fault::from_io(&error, timeout)),
            }
        };
        log::debug!("status {}", head.status);
        let framing = Framing::from_head(&head);
        let ended = matches!(framing, Framing::Length(0));
        Ok(Response {
            head,
            origin,
            framing,
            body: BytesMut::new(),
            stream,
            ended,
        })
    }

    /// Keeps the connection for the next request, if the body has ended and the camera keeps the
    /// connection open.
    pub(super) fn reuse(&mut self, response: Response) {
        if response.ended && response.framing.is_finite() && response.head.keeps_alive() {
            self.idle = Some((response.origin, response.stream));
        }
    }

    fn discard(&mut self, mut response: Response) {
        let deadline = Instant::now() + self.source.timeout().min(Duration::from_secs(1));
        while response.framing.is_finite() && response.body.len() <= DISCARDED_BYTES_MAX {
            match response.read(deadline.saturating_duration_since(Instant::now())) {
                Ok(Read::More) => {}
                Ok(Read::End | Read::Timeout) | Err(_) => break,
            }
        }
        self.reuse(response);
    }
}

impl Response {
    /// Reads more of the body; returns [`Read::Timeout`] after `wait`. A broken connection ends the
    /// body.
    pub(super) fn read(&mut self, wait: Duration) -> Result<Read, Fault> {
        let deadline = Instant::now() + wait;
        while !self.ended {
            match self
                .framing
                .decode(&mut self.stream.received, &mut self.body)
            {
                Found::Bytes => return Ok(Read::More),
                Found::End => break,
                Found::NeedsMore => {}
            }
            match self
                .stream
                .read(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(Read::More) => {}
                Ok(Read::End) => self.framing = Framing::UntilClose,
                Ok(Read::Timeout) => return Ok(Read::Timeout),
                Err(error) => match Fault::from_io(&error, wait) {
                    Fault::Closed => self.framing = Framing::UntilClose,
                    fault => return Err(fault),
                },
            }
            if matches!(self.framing, Framing::UntilClose) && self.stream.received.is_empty() {
                break;
            }
        }
        self.ended = true;
        Ok(Read::End)
    }

    /// Reads on until the connection closes: `Content-Length` was wrong.
    pub(super) fn ignore_length(&mut self) {
        (self.framing, self.ended) = (Framing::UntilClose, false);
    }

    /// Whether the body has ended by its `Content-Length`.
    pub(super) fn has_ended_by_length(&self) -> bool {
        self.ended && matches!(self.framing, Framing::Length(_))
    }
}

impl Stream {
    fn read(&mut self, wait: Duration) -> io::Result<Read> {
        match self.connection.read(&mut self.buffer, wait) {
            Ok(0) => Ok(Read::End),
            Ok(count) => {
                self.received
                    .extend_from_slice(self.buffer.get(..count).unwrap_or_default());
                Ok(Read::More)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                Ok(Read::Timeout)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Read::End),
            Err(error) => Err(error),
        }
    }
}

/// A status code with its standard phrase (RFC 9110, section 15). The camera's phrase is not shown.
fn named(status: u16) -> String {
    let phrase = match status {
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        454 => "Session Not Found",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => return status.to_string(),
    };
    format!("{status} {phrase}")
}
