//! Asking a camera, and telling it who asks.

use std::io::Read;

use bytes::BytesMut;
use http_auth::{PasswordClient, PasswordParams};
use ureq::http::header::{IF_NONE_MATCH, WWW_AUTHENTICATE};
use ureq::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body, BodyReader, ResponseExt};

use super::{Fault, Http, HttpError};

/// The longest piece that is read at once: what the client has in its own buffer.
const PIECE_BYTES_MAX: usize = 128 * 1024;

/// So many requests may precede an answer: each redirection may end at an address that wants a login of its own.
const REQUESTS_MAX: usize = 4;

/// Asks one camera, again and again if need be, over one connection where the camera keeps it open.
pub(super) struct Client<'a> {
    source: &'a Http,
    agent: Agent,
    /// What answers the camera's challenge, once there has been one. Later requests then come with their answer.
    login: Option<PasswordClient>,
}

/// An answer: its head, and the body as it comes in.
pub(super) struct Answer<'a> {
    source: &'a Http,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Whether the length of the body is known.
    pub(super) is_finite: bool,
    /// What has been read of the body and not yet been taken.
    pub(super) received: BytesMut,
    body: BodyReader<'static>,
    piece: Box<[u8]>,
}

impl<'a> Client<'a> {
    pub(super) fn new(source: &'a Http) -> Self {
        let timeout = Some(source.timeout());
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A camera stands in the same network; what a machine uses for the Internet does not lead there.
            .proxy(None)
            .user_agent(concat!("framecast/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(timeout)
            .timeout_connect(timeout)
            .timeout_recv_response(timeout)
            // A stream has no end, so its body has no deadline as a whole.
            .timeout_per_read(timeout)
            .tls_config(TlsConfig::builder().disable_verification(source.insecure).build());
        Self { source, agent: config.build().new_agent(), login: None }
    }

    /// Asks for what stands at the address, or for "not modified" if that still has the tag `known`.
    pub(super) fn get(&mut self, known: Option<&HeaderValue>) -> Result<Answer<'a>, HttpError> {
        let response = self.follow(known).map_err(|fault| self.source.failed(fault))?;
        let (head, body) = response.into_parts();
        Ok(Answer {
            source: self.source,
            status: head.status,
            headers: head.headers,
            is_finite: body.content_length().is_some(),
            received: BytesMut::new(),
            body: body.into_reader(),
            piece: vec![0; PIECE_BYTES_MAX].into(),
        })
    }

    /// Follows redirections and answers challenges, up to a response that is neither.
    ///
    /// Redirections are followed without credentials. So only who sends a challenge is told them, and only if it is the
    /// host they were given for.
    fn follow(&mut self, known: Option<&HeaderValue>) -> Result<Response<Body>, Fault> {
        let mut uri = self.source.uri.clone();
        let mut challenged = false;
        for _ in 0..REQUESTS_MAX {
            let response = self.request(&uri, known)?;
            match response.status() {
                StatusCode::OK => return Ok(response),
                StatusCode::NOT_MODIFIED if known.is_some() => return Ok(response),
                StatusCode::UNAUTHORIZED => {}
                StatusCode::FORBIDDEN => return Err(Fault::Forbidden),
                StatusCode::NOT_FOUND => return Err(Fault::NotFound),
                status => return Err(Fault::Status(status)),
            }
            // An old answer may have expired; one to a challenge of just now has not.
            if challenged && *response.get_uri() == uri {
                return Err(Fault::CredentialsWrong);
            }
            uri = response.get_uri().clone();
            self.take_challenge(&uri, response.headers())?;
            challenged = true;
        }
        Err(Fault::Redirects)
    }

    fn request(&mut self, uri: &Uri, known: Option<&HeaderValue>) -> Result<Response<Body>, Fault> {
        let mut request = self.agent.get(uri);
        if let Some(known) = known {
            request = request.header(IF_NONE_MATCH, known);
        }
        if let Some(authorization) = self.authorization(uri)? {
            // There are cameras that know the name in this spelling alone.
            request = request.header_raw("Authorization", authorization.as_bytes());
        }
        request.call().map_err(|error| Fault::of(error, self.source.timeout()))
    }

    fn take_challenge(&mut self, uri: &Uri, headers: &HeaderMap) -> Result<(), Fault> {
        if origin(uri) != origin(&self.source.uri) {
            return Err(Fault::CredentialsElsewhere(uri.host().unwrap_or_default().to_owned()));
        }
        if self.source.credentials.is_none() {
            return Err(Fault::CredentialsMissing);
        }
        let challenges = headers.get_all(WWW_AUTHENTICATE);
        self.login = Some(PasswordClient::try_from(challenges).map_err(Fault::Challenge)?);
        Ok(())
    }

    /// The answer to the newest challenge, in a request for `uri`.
    fn authorization(&mut self, uri: &Uri) -> Result<Option<String>, Fault> {
        let (Some(login), Some(credentials)) = (&mut self.login, &self.source.credentials) else { return Ok(None) };
        let parameters = PasswordParams {
            username: &credentials.user,
            password: &credentials.password,
            uri: uri.path_and_query().map_or("/", |path| path.as_str()),
            method: "GET",
            // Without it the plain proof is chosen where there is a choice, which every camera understands.
            body: None,
        };
        login.respond(&parameters).map(Some).map_err(Fault::Challenge)
    }
}

impl Answer<'_> {
    /// The value of a field of the head, if there is one that is text.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Waits for more of the body. Whether there was any.
    ///
    /// # Errors
    /// It was silent for too long, or speaks no HTTP. That the connection breaks is an end like any other.
    pub(super) fn read(&mut self) -> Result<bool, HttpError> {
        let fault = match self.body.read(&mut self.piece) {
            Ok(length) => {
                self.received.extend_from_slice(self.piece.get(..length).unwrap_or_default());
                return Ok(length > 0);
            }
            Err(error) => Fault::of(error.into(), self.source.timeout()),
        };
        if matches!(fault, Fault::Closed) { Ok(false) } else { Err(self.source.failed(fault)) }
    }

    pub(super) fn failed(&self, fault: Fault) -> HttpError {
        self.source.failed(fault)
    }
}

/// What credentials are for: a scheme, a host and a port (RFC 9110, section 4.3.1). To another port may listen somebody
/// else, and another scheme may tell them to everybody.
fn origin(uri: &Uri) -> (Option<&str>, Option<String>, u16) {
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    (uri.scheme_str(), uri.host().map(str::to_ascii_lowercase), uri.port_u16().unwrap_or(default))
}
