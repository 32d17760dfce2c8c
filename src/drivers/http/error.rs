//! Why a network camera gives no frames: each message names the problem and the remedy.

use std::io::{self, ErrorKind};
use std::time::Duration;

use rustls::{AlertDescription, PeerIncompatible};

use crate::text::secret::SecretAddress;
use crate::wire::part::Reason;
use crate::wire::sniff::STREAM_ADDRESSES;

/// The error of a host name that resolves to no address.
pub(super) const NO_ADDRESS: &str = "the host has no address";

/// A network camera that gives no frames.
#[derive(Debug, thiserror::Error)]
#[error("{address}: {fault}")]
pub struct HttpError {
    /// The URL of the camera.
    pub address: SecretAddress,
    /// What went wrong.
    pub fault: Fault,
}

/// What can go wrong with a network camera.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The host name cannot be resolved.
    #[error("host not found; check the name, or use the camera's IP address")]
    Host,
    /// Nothing listens on the port.
    #[error("connection refused; check the port, and that the camera is on")]
    Refused,
    /// No route to the host.
    #[error("host unreachable; check the address and the network")]
    Unreachable,
    /// The certificate of the camera is for another name, has expired, or is signed by an unknown
    /// authority.
    #[error(
        "certificate rejected ({0}); add your certificate authority to the system's store or name its file in \
         SSL_CERT_FILE; if you trust the network, add insecure=1 after the #"
    )]
    Certificate(rustls::CertificateError),
    /// The camera supports old TLS only: no TLS 1.2, no ECDHE key exchange, or no AEAD cipher.
    #[error(
        "TLS version or cipher too old ({0}), expected TLS 1.2 with ECDHE and an AEAD cipher; update the camera, or \
         use the source exec:curl -sk URL"
    )]
    OldTls(String),
    /// Any other TLS error.
    #[error("TLS handshake failed ({0}); try http:// instead of https://")]
    Tls(String),
    /// No bytes were received within the timeout.
    #[error(
        "no data for {time}; check that the camera is on, or raise timeout={time} after the #",
        time = humantime::format_duration(*.0)
    )]
    Silent(Duration),
    /// Every picture was rejected: the first reason, and the remedy.
    #[error("all pictures rejected ({0}); {1}")]
    Rejected(Reason, String),
    /// Bytes were received, but no complete picture.
    #[error(
        "no complete picture for {time}; lower the camera's resolution, or raise timeout={time} after the #",
        time = humantime::format_duration(*.0)
    )]
    NoPicture(Duration),
    /// The connection was closed before a response.
    #[error("connection closed without a response; check the port, or try https://")]
    Closed,
    /// The response is not HTTP.
    #[error("the response is not HTTP ({0}); check the port")]
    NotHttp(String),
    /// The response is RTSP.
    #[error(
        "the server speaks RTSP, not HTTP; use the source exec:ffmpeg -i rtsp://... -f mjpeg -"
    )]
    Rtsp,
    /// Redirects form a loop, or lead to a URL that is not HTTP.
    #[error("too many redirects; use the address that a browser ends up at")]
    Redirects,
    /// 401 without credentials.
    #[error("user and password required; write http://USER:PASSWORD@HOST/PATH")]
    CredentialsMissing,
    /// 401 for a URL with a token and without credentials.
    #[error(
        "token rejected; check that it is spelled right, has not expired and is for this camera"
    )]
    TokenRejected,
    /// 401, with credentials.
    #[error("user or password rejected; check them (in the address, %40 stands for @)")]
    CredentialsWrong,
    /// 401 from a host that the credentials are not for.
    #[error(
        "redirected to {0}, which requires its own user and password; use that address instead"
    )]
    CredentialsElsewhere(String),
    /// 401 with a challenge that is neither Basic nor Digest; Basic was tried and failed.
    #[error(
        "unsupported login scheme ({0}), expected Basic or Digest; select one of them in the camera's settings"
    )]
    Challenge(String),
    /// 403.
    #[error(
        "access denied (403 Forbidden); check the user's permissions and the camera's list of allowed clients"
    )]
    Forbidden,
    /// 404.
    #[error("path not found (404 Not Found); {STREAM_ADDRESSES}")]
    NotFound,
    /// 404 for a URL with the parameter `camera`.
    #[error(
        "path or camera not found (404 Not Found); check the name behind camera=, or {STREAM_ADDRESSES}"
    )]
    CameraNotFound,
    /// Any other status outside 2xx.
    #[error("unexpected status {0}; open the address in a browser")]
    Status(String),
    /// The body is neither a stream nor a picture: what it is, and the remedy.
    #[error("expected JPEG, received {0}; {1}")]
    NotVideo(String, &'static str),
    /// The stream has ended.
    #[error(
        "stream closed after {frames} frames; the camera may have restarted, or may limit its viewers"
    )]
    Ended {
        /// The number of frames received.
        frames: u64,
    },
    /// Anything else.
    #[error("request failed ({0}); open the address in a browser")]
    Other(String),
}

impl Fault {
    /// Whether a retry is useless or harmful: a camera may lock out a client that repeats a wrong
    /// login.
    pub(super) fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::Certificate(_)
                | Self::OldTls(_)
                | Self::CredentialsMissing
                | Self::TokenRejected
                | Self::CredentialsWrong
                | Self::CredentialsElsewhere(_)
                | Self::Challenge(_)
        )
    }

    /// Converts an I/O error of a connection whose reads time out after `timeout`.
    pub(super) fn from_io(error: &io::Error, timeout: Duration) -> Self {
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return Self::from_tls(error);
        }
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
                Self::Unreachable
            }
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Self::Silent(timeout),
            ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe => Self::Closed,
            // The standard library has no kind for a name that cannot be resolved.
            _ if error.to_string().starts_with("failed to lookup address") => Self::Host,
            ErrorKind::NotFound => Self::Host,
            _ => Self::Other(error.to_string()),
        }
    }

    /// Converts an I/O error of a TLS handshake. Old cameras close the connection when they support
    /// none of the offered cipher suites.
    pub(super) fn from_handshake(error: &io::Error, timeout: Duration) -> Self {
        match Self::from_io(error, timeout) {
            Self::Closed => Self::OldTls("connection closed during the handshake".to_owned()),
            fault => fault,
        }
    }

    pub(super) fn from_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::Certificate(error.clone()),
            rustls::Error::AlertReceived(
                alert @ (AlertDescription::HandshakeFailure
                | AlertDescription::ProtocolVersion
                | AlertDescription::InsufficientSecurity),
            ) => Self::OldTls(format!("alert {alert:?}")),
            rustls::Error::PeerIncompatible(
                reason @ (PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerSentHelloRetryRequestWithUnknownExtension
                | PeerIncompatible::NoKxGroupsInCommon
                | PeerIncompatible::NoCipherSuitesInCommon),
            ) => Self::OldTls(format!("{reason:?}")),
            error => Self::Tls(error.to_string()),
        }
    }
}
