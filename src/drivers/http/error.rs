//! Why a camera on the network gives no frames, in sentences that say what to do.

use std::io::{self, ErrorKind};
use std::time::Duration;

use rustls::{AlertDescription, PeerIncompatible};

use crate::text::secret::SecretAddress;
use crate::wire::part::Reason;
use crate::wire::sniff::STREAM_ADDRESSES;

/// What is said of a host that is known but has no address.
pub(super) const NO_ADDRESS: &str = "the host has no address";

/// What went wrong, and at which address.
#[derive(Debug, thiserror::Error)]
#[error("no frames from {address}: {fault}")]
pub struct HttpError {
    /// The address.
    pub address: SecretAddress,
    /// What went wrong.
    pub fault: Fault,
}

/// What can go wrong with a camera on the network.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The name of the host cannot be resolved.
    #[error("there is no host of that name; check its spelling, or write the camera's IP address")]
    Host,
    /// Nothing listens on the port.
    #[error("the connection is refused; check the port, and that the camera is on")]
    Refused,
    /// There is no way to the host.
    #[error("there is no way to that host; check its address, and the network")]
    Unreachable,
    /// The certificate of the camera is for another name, has expired, or is signed by an unknown
    /// authority.
    #[error(
        "its certificate is not accepted ({0}); add your own authority to the system's store or name its file in \
         SSL_CERT_FILE, or, if it is your own camera, add insecure=1 behind the #"
    )]
    Certificate(rustls::CertificateError),
    /// The camera knows old TLS alone: no key exchange by ECDHE, no AEAD cipher, or no TLS 1.2.
    #[error(
        "its TLS is too old, as TLS 1.2 with ECDHE and an AEAD cipher is the least ({0}); update the camera, or use \
         the source exec:curl -sk URL"
    )]
    OldTls(String),
    /// There is no TLS.
    #[error("TLS fails ({0}); try the address with http:// instead of https://")]
    Tls(String),
    /// No bytes came.
    #[error(
        "it gave nothing for {time}; check that it is on, or allow it more than timeout={time} behind the #",
        time = humantime::format_duration(*.0)
    )]
    Silent(Duration),
    /// Pictures came, but not one without a flaw: its name, and what to do.
    #[error("its pictures are flawed ({0}); {1}")]
    Flawed(Reason, String),
    /// Bytes came, but no whole picture.
    #[error(
        "it has sent no whole picture for {time}; lower its resolution, or allow it more than timeout={time} behind \
         the #",
        time = humantime::format_duration(*.0)
    )]
    NoPicture(Duration),
    /// The connection was closed before there was an answer.
    #[error(
        "it closed the connection without an answer; check the port, and whether it wants https://"
    )]
    Closed,
    /// What came is not HTTP.
    #[error("its answer is not HTTP ({0}); check the port")]
    NotHttp(String),
    /// What came is the answer of an RTSP server.
    #[error("it speaks RTSP and not HTTP; use the source exec:ffmpeg -i rtsp://... -f mjpeg -")]
    Rtsp,
    /// Redirects go round in circles, or to what is not HTTP.
    #[error("it redirects to other addresses without end; try the one that a browser ends up with")]
    Redirects,
    /// 401, and there are no credentials.
    #[error("it wants a user and a password; write http://USER:PASSWORD@HOST/PATH")]
    CredentialsMissing,
    /// 401, with credentials.
    #[error(
        "it does not accept the user and password; check them (in the address, %40 stands for @)"
    )]
    CredentialsWrong,
    /// 401 from another host than the one the credentials are for.
    #[error(
        "it redirects to {0}, which wants a user and a password of its own; give that address instead"
    )]
    CredentialsElsewhere(String),
    /// 401, a challenge that is neither basic nor digest, and no success with basic.
    #[error(
        "it wants a login that is neither basic nor digest ({0}); choose one of these in its settings"
    )]
    Challenge(String),
    /// 403.
    #[error("it forbids this (403 Forbidden); check what the user may see, and who may connect")]
    Forbidden,
    /// 404.
    #[error("nothing is there (404 Not Found); {STREAM_ADDRESSES}")]
    NotFound,
    /// Any other status that is no success.
    #[error("it answers {0}; look at the address with a browser")]
    Status(String),
    /// Neither a stream nor a picture: what it is, and what to do.
    #[error("it sends no JPEG but {0}; {1}")]
    NotVideo(String, &'static str),
    /// The stream has ended.
    #[error(
        "it has closed the stream, after {frames} frames; it may have been restarted, or serve few viewers at once"
    )]
    Ended {
        /// How many have come.
        frames: u64,
    },
    /// Anything else.
    #[error("asking it fails ({0}); look at the address with a browser")]
    Other(String),
}

impl Fault {
    /// Whether another attempt would do harm or no good: a camera may lock out a client that
    /// repeats a wrong login.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::Certificate(_)
                | Self::OldTls(_)
                | Self::CredentialsMissing
                | Self::CredentialsWrong
                | Self::CredentialsElsewhere(_)
                | Self::Challenge(_)
        )
    }

    /// What `error` means, where a camera may be silent for as long as `timeout`.
    pub(super) fn of_io(error: &io::Error, timeout: Duration) -> Self {
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return Self::of_tls(error);
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

    /// What an error of a TLS handshake means. Old cameras close the connection where they know
    /// nothing we offer.
    pub(super) fn of_handshake(error: &io::Error, timeout: Duration) -> Self {
        match Self::of_io(error, timeout) {
            Self::Closed => {
                Self::OldTls("it closed the connection during the handshake".to_owned())
            }
            fault => fault,
        }
    }

    pub(super) fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::Certificate(error.clone()),
            rustls::Error::AlertReceived(
                alert @ (AlertDescription::HandshakeFailure
                | AlertDescription::ProtocolVersion
                | AlertDescription::InsufficientSecurity),
            ) => Self::OldTls(format!("it sent the alert {alert:?}")),
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
