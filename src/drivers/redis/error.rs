//! Why frames cannot be read from Redis or published there: each message names the problem and the
//! remedy.

use std::io;

use redis::{ErrorKind, RedisError};

/// How the message about a too large reply begins. The client library keeps only the text of an I/O
/// error.
pub(super) const TOO_LARGE: &str = "reply too large";

/// A Redis source that gives no frames.
#[derive(Debug, thiserror::Error)]
#[error("{address}: {fault}")]
pub struct RedisSourceError {
    /// The address, without user and password.
    pub address: String,
    /// What went wrong.
    pub fault: Fault,
}

/// What can go wrong with a Redis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The host name cannot be resolved.
    #[error("host not found; check the name, or use the IP address of Redis")]
    Host,
    /// Nothing listens on the port.
    #[error("connection refused; check the port, and that Redis is running")]
    Refused,
    /// No reply within the timeout.
    #[error("no reply; check the address, and that Redis is not paused or overloaded")]
    Silent,
    /// The connection was closed.
    #[error(
        "connection closed; Redis may have restarted, disconnected a slow subscriber, or require rediss://"
    )]
    Closed,
    /// The user or the password is wrong.
    #[error("user or password rejected; check them (in the address, %40 stands for @)")]
    PasswordWrong,
    /// Redis requires a password, and none was given.
    #[error(
        "password required; write redis://USER:PASSWORD@HOST/NAME, or redis://:PASSWORD@HOST/NAME"
    )]
    PasswordMissing,
    /// The user lacks a permission.
    #[error("permission denied ({0}); grant it with ACL SETUSER")]
    NotAllowed(String),
    /// The database number is out of range.
    #[error("no such database ({0}); use a lower number before the name, or none")]
    Database(String),
    /// The key holds a value of another type.
    #[error("the key does not hold a list; use another key")]
    NoList,
    /// A reply exceeds the maximum size of a frame.
    #[error("{0}, or write single JPEGs or parts to the channel or list")]
    TooLarge(String),
    /// The certificate is invalid, is for another name or is signed by an unknown authority.
    #[error("certificate rejected ({0}); if you trust the network, add insecure=1 after the #")]
    Certificate(String),
    /// Anything else.
    #[error("request failed ({0}); inspect it with redis-cli")]
    Other(String),
}

impl Fault {
    /// Whether a retry is useless until the address or the configuration of Redis changes.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Self::PasswordWrong
            | Self::PasswordMissing
            | Self::NotAllowed(_)
            | Self::Database(_)
            | Self::NoList
            | Self::Certificate(_) => true,
            Self::Host
            | Self::Refused
            | Self::Silent
            | Self::Closed
            | Self::TooLarge(_)
            | Self::Other(_) => false,
        }
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        if error.kind() == ErrorKind::AuthenticationFailed {
            return Self::PasswordWrong;
        }
        let text = error.to_string();
        let detail = || error.detail().unwrap_or(&text).to_owned();
        let has_code = |code: &str| error.code() == Some(code) || text.contains(code);
        // The client library has no error kind for most of these codes.
        if has_code("NOAUTH") {
            Self::PasswordMissing
        } else if has_code("NOPERM") {
            Self::NotAllowed(detail())
        } else if has_code("WRONGTYPE") {
            Self::NoList
        } else if let Some(announced) = too_large(&error) {
            Self::TooLarge(announced)
        } else if let Some((_, reason)) = text.split_once("invalid peer certificate: ") {
            Self::Certificate(reason.to_owned())
        } else if text.starts_with("failed to lookup address") {
            Self::Host
        } else if error.is_connection_refusal() {
            Self::Refused
        } else if error.is_timeout() {
            Self::Silent
        } else if error.is_connection_dropped() {
            Self::Closed
        } else {
            Self::Other(text)
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        RedisError::from(error).into()
    }
}

/// Returns the message of an error about a too large reply, if `error` is one.
fn too_large(error: &RedisError) -> Option<String> {
    let text = error.to_string();
    text.contains(TOO_LARGE).then_some(text)
}
