//! The policy as it was set, and what is decided by it.

use std::fmt;

use serde::Serialize;

use super::accounts::Accounts;
use super::secret::Secret;
use crate::hub::Permit;
use crate::site::origins::Origins;
use crate::stream::TrustedProxies;

/// The options of access control.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Users with passwords.
    pub accounts: Accounts,
    /// A token, with which others may be signed.
    pub secret: Option<Secret>,
    /// Whether public clients are served though there are no credentials.
    pub is_public: bool,
    /// Names by which this server may be asked for, besides its addresses and those that mean no
    /// other.
    pub hosts: Vec<String>,
    /// Pages from elsewhere that may use what is served.
    pub origins: Origins,
    /// Reverse proxies that name their clients.
    pub trusted_proxies: TrustedProxies,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is answered.
    Pass(Access),
    /// It is not.
    Refuse(Reason),
    /// Its credentials are being checked under this ticket.
    Wait {
        /// See [`super::Authenticator::finish`].
        ticket: u64,
    },
}

/// What a request is granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// What it may see.
    pub scope: Scope,
    /// For how long.
    pub permit: Permit,
}

/// What a credential opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Every address.
    #[default]
    Everything,
    /// What concerns one camera, by its place from 0; it is the default wherever a camera can be
    /// chosen.
    Camera(usize),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There are no credentials, and the client is public.
    PublicAddress,
    /// There are no credentials, and the name is not ours.
    UnknownHost,
    /// No credentials, or not the right ones. The response is the same.
    Credentials {
        /// Whether there were any.
        given: bool,
    },
    /// Too many failed logins from the client's network.
    TooManyFailures {
        /// Credentials are read again after this many seconds.
        retry_after_seconds: u32,
    },
    /// Too many credentials wait to be checked, or these could not be.
    Busy,
}

/// Requests refused, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(
    missing_docs,
    reason = "each field is the count of the reason of the same name"
)]
pub struct Counts {
    pub public_address: u64,
    pub unknown_host: u64,
    pub credentials: u64,
    pub too_many_failures: u64,
    pub busy: u64,
}

impl Policy {
    /// Whether a request needs credentials.
    pub fn has_credentials(&self) -> bool {
        self.secret.is_some() || self.has_accounts()
    }

    /// Whether there are users with passwords.
    pub fn has_accounts(&self) -> bool {
        !self.accounts.is_empty()
    }
}

impl Counts {
    /// Returns every reason and its count.
    pub fn by_reason(&self) -> [(&'static str, u64); 5] {
        // Destructured, so that a new reason cannot be forgotten here.
        let Self {
            public_address,
            unknown_host,
            credentials,
            too_many_failures,
            busy,
        } = *self;
        [
            ("public_address", public_address),
            ("unknown_host", unknown_host),
            ("credentials", credentials),
            ("too_many_failures", too_many_failures),
            ("busy", busy),
        ]
    }

    /// Counts one.
    pub(super) fn count(&mut self, reason: Reason) {
        let count = match reason {
            Reason::PublicAddress => &mut self.public_address,
            Reason::UnknownHost => &mut self.unknown_host,
            Reason::Credentials { .. } => &mut self.credentials,
            Reason::TooManyFailures { .. } => &mut self.too_many_failures,
            Reason::Busy => &mut self.busy,
        };
        *count += 1;
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::PublicAddress => "public address, and no credentials are set",
            Reason::UnknownHost => "unknown host name",
            Reason::Credentials { given: false } => "no credentials",
            Reason::Credentials { given: true } => "wrong or expired credentials",
            Reason::TooManyFailures { .. } => "too many failed logins",
            Reason::Busy => "too many credentials are being checked",
        })
    }
}
