//! Requests to a camera, and the login where it wants one.

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

/// The longest piece that is read at once.
const PIECE_BYTES_MAX: usize = 128 * 1024;

/// So many requests may precede an answer: redirects, and each may end at an address that wants a
/// login.
const REQUESTS_MAX: usize = 20;

/// The body of a response that only leads to another request is read up to this length, so that its
/// connection can be used again.
const DISCARDED_BYTES_MAX: usize = 64 * 1024;

/// Sends requests to one camera, over one connection where the camera keeps it open.
pub(super) struct Client<'a> {
    source: &'a Http,
    /// The settings of encrypted connections. The platform's store of certificates is read with the
    /// first of them.
    tls: OnceCell<Arc<ClientConfig>>,
    cookies: Cookies,
    /// What answers the camera's challenge, once there has been one. Later requests are sent with
    /// their answer.
    login: Option<Login>,
    idle: Option<(Origin, Stream)>,
}

/// A connection, and what has been received over it and not yet used.
struct Stream {
    connection: Connection,
    received: BytesMut,
    piece: Box<[u8]>,
}

/// A response: its head, and the body as it arrives.
pub(super) struct Answer {
    pub(super) head: Head,
    origin: Origin,
    framing: Framing,
    /// What has been read of the body and not yet been used.
    pub(super) body: BytesMut,
    stream: Stream,
    ended: bool,
}

/// What a wait for more of a body has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    More,
    End,
    Silence,
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

    /// Asks for what stands at the address, or for "not modified" if that still has the tag
    /// `known`. Redirects are followed and challenges answered.
    ///
    /// Credentials are sent only to the origin they were given for, and only after its challenge.
    pub(super) fn get(&mut self, known: Option<&[u8]>) -> Result<Answer, Fault> {
        let mut url = self.source.url.clone();
        let mut tried = Tried::default();
        for _ in 0..REQUESTS_MAX {
            let answer = self.request(&url, known)?;
            self.cookies.store(&url, &answer.head);
            match answer.head.status {
                304 if known.is_some() => return Ok(answer),
                200..=299 if !matches!(answer.head.status, 204 | 205) => return Ok(answer),
                300..=308
                    if answer.head.all("Location").next().is_some()
                        && answer.head.status != 304 =>
                {
                    let location = answer.head.all("Location").next().unwrap_or_default();
                    let next = url.join(location).ok_or(Fault::Redirects)?;
                    if next != url {
                        tried = Tried::default();
                    }
                    url = next;
                }
                401 => self.login = Some(self.next_login(&url, &answer.head, &mut tried)?),
                403 => return Err(Fault::Forbidden),
                404 => return Err(Fault::NotFound),
                status => return Err(Fault::Status(named(status))),
            }
            self.discard(answer);
        }
        Err(Fault::Redirects)
    }

    fn next_login(&self, url: &Url, head: &Head, tried: &mut Tried) -> Result<Login, Fault> {
        if url.origin() != self.source.url.origin() {
            return Err(Fault::CredentialsElsewhere(shown(url.host().as_bytes())));
        }
        if self.source.credentials.is_none() {
            return Err(Fault::CredentialsMissing);
        }
        Login::next(head, tried)
    }

    /// Sends one request and reads the head of its response.
    fn request(&mut self, url: &Url, known: Option<&[u8]>) -> Result<Answer, Fault> {
        let request = self.encode(url, known);
        // A connection that is kept open may be closed just when it is used again (RFC 9112,
        // section 9.3.1).
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
            piece: vec![0; PIECE_BYTES_MAX].into(),
        };
        self.exchange(stream, url.origin(), &request)
    }

    fn tls_config(&self) -> Arc<ClientConfig> {
        Arc::clone(
            self.tls
                .get_or_init(|| Trust::client_config(self.source.insecure)),
        )
    }

    /// A request for `url`. The names of its fields are spelled as cameras expect them: some heed
    /// their case.
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
            put(b"Authorization", &login.answer(credentials, url.target()));
        }
        request.extend(b"\r\n");
        request
    }

    fn exchange(
        &self,
        mut stream: Stream,
        origin: Origin,
        request: &[u8],
    ) -> Result<Answer, Fault> {
        let timeout = self.source.timeout();
        stream
            .connection
            .send(request)
            .map_err(|error| Fault::of_io(&error, timeout))?;
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
                Ok(Read::Silence | Read::More) => return Err(Fault::Silent(timeout)),
                Err(error) => return Err(Fault::of_io(&error, timeout)),
            }
        };
        log::debug!("status {}", head.status);
        let framing = Framing::of(&head);
        let ended = matches!(framing, Framing::Length(0));
        Ok(Answer {
            head,
            origin,
            framing,
            body: BytesMut::new(),
            stream,
            ended,
        })
    }

    /// Keeps the connection of an answer for the next request, if its body has ended and the camera
    /// lets it.
    pub(super) fn keep(&mut self, answer: Answer) {
        if answer.ended && answer.framing.is_finite() && answer.head.keeps_connection() {
            self.idle = Some((answer.origin, answer.stream));
        }
    }

    fn discard(&mut self, mut answer: Answer) {
        let deadline = Instant::now() + self.source.timeout().min(Duration::from_secs(1));
        while answer.framing.is_finite() && answer.body.len() <= DISCARDED_BYTES_MAX {
            match answer.read(deadline.saturating_duration_since(Instant::now())) {
                Ok(Read::More) => {}
                Ok(Read::End | Read::Silence) | Err(_) => break,
            }
        }
        self.keep(answer);
    }
}

impl Answer {
    /// Waits for more of the body, no longer than `wait`. That the connection breaks is an end like
    /// any other.
    pub(super) fn read(&mut self, wait: Duration) -> Result<Read, Fault> {
        let deadline = Instant::now() + wait;
        while !self.ended {
            match self.framing.take(&mut self.stream.received, &mut self.body) {
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
                Ok(Read::Silence) => return Ok(Read::Silence),
                Err(error) => match Fault::of_io(&error, wait) {
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

    /// Reads on where the length said the body ends: it was wrong.
    pub(super) fn ignore_length(&mut self) {
        (self.framing, self.ended) = (Framing::UntilClose, false);
    }

    /// Whether the body has ended where its length said.
    pub(super) fn has_ended_by_length(&self) -> bool {
        self.ended && matches!(self.framing, Framing::Length(_))
    }
}

impl Stream {
    fn read(&mut self, wait: Duration) -> io::Result<Read> {
        match self.connection.read(&mut self.piece, wait) {
            Ok(0) => Ok(Read::End),
            Ok(count) => {
                self.received
                    .extend_from_slice(self.piece.get(..count).unwrap_or_default());
                Ok(Read::More)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                Ok(Read::Silence)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Read::End),
            Err(error) => Err(error),
        }
    }
}

/// A status with its words (RFC 9110, section 15). A camera's own are not repeated.
fn named(status: u16) -> String {
    let words = match status {
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
    format!("{status} {words}")
}
