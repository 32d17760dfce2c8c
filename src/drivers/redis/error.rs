//! Why frames do not come from Redis or get there, in sentences that say what to do.

use std::io;

use redis::{ErrorKind, RedisError};

/// A Redis from which no frames can be had.
#[derive(Debug, thiserror::Error)]
#[error("no frames from {address}: {fault}")]
pub struct FromRedisError {
    /// The address, without user and password.
    pub address: String,
    /// What went wrong.
    pub fault: Fault,
}

/// What can go wrong with a Redis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The name of the host cannot be resolved.
    #[error("there is no host of that name; check its spelling, or write the IP address of Redis")]
    Host,
    /// Nothing listens on the port.
    #[error("the connection is refused; check the port, and that Redis runs")]
    Refused,
    /// It does not answer in time.
    #[error("it gives no answer; check the address, and that Redis is not paused or overloaded")]
    Silent,
    /// The connection was closed.
    #[error(
        "it has closed the connection; Redis may have been restarted, have cut off a slow reader, or want rediss://"
    )]
    Closed,
    /// The user and password are not accepted.
    #[error(
        "it does not accept the user and password; check them (in the address, %40 stands for @)"
    )]
    PasswordWrong,
    /// It wants a password, and there is none.
    #[error(
        "it wants a password; write redis://USER:PASSWORD@HOST/NAME, or redis://:PASSWORD@HOST/NAME"
    )]
    PasswordMissing,
    /// The user may not do this.
    #[error("its user may not do this ({0}); allow it with ACL SETUSER")]
    NotAllowed(String),
    /// There is no database of that number.
    #[error("it has no such database ({0}); write a lower number before the name, or none")]
    Database(String),
    /// The key holds something else.
    #[error("the key holds something that is no list; choose another one")]
    NoList,
    /// A reply is larger than a frame may be.
    #[error("{0}, or write whole JPEGs or parts to the channel or the list")]
    TooLarge(String),
    /// The certificate is none, is for another name or is signed by nobody who is known.
    #[error(
        "its certificate is not accepted ({0}); if it is your own Redis, add insecure=1 behind the #"
    )]
    Certificate(String),
    /// Anything else.
    #[error("it fails ({0}); look at it with redis-cli")]
    Other(String),
}

impl Fault {
    /// Whether trying again will not help: somebody must change something first.
    pub(crate) fn is_lasting(&self) -> bool {
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
        let says = |word: &str| error.code() == Some(word) || text.contains(word);
        // The client has no kinds of error for most of these, least of all within a transaction.
        if says("NOAUTH") {
            Self::PasswordMissing
        } else if says("NOPERM") {
            Self::NotAllowed(detail())
        } else if says("WRONGTYPE") {
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

/// The announced size, if that is what is wrong.
fn too_large(error: &RedisError) -> Option<String> {
    let text = error.to_string();
    text.contains("its reply announces ").then_some(text)
}
