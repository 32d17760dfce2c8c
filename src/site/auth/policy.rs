//! The configured policy, and the decisions that follow from it.

use std::fmt;

use serde::Serialize;

use super::accounts::Accounts;
use super::secret::Secret;
use crate::hub::Permit;
use crate::hub::TrustedProxies;
use crate::site::origins::Origins;

/// The options of access control.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Users with passwords.
    pub accounts: Accounts,
    /// The server's secret token, with which expiring tokens are signed.
    pub secret: Option<Secret>,
    /// Whether clients at public addresses are served without credentials (`--public`).
    pub is_public: bool,
    /// Names of this server (`--allow-host`), besides its addresses and local names.
    pub hosts: Vec<String>,
    /// Other sites whose pages may use this server (`--allow-origin`).
    pub origins: Origins,
    /// Reverse proxies whose `X-Forwarded-For` and `Forwarded` fields are trusted.
    pub trusted_proxies: TrustedProxies,
}

/// The result of an authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The request is answered.
    Pass(Access),
    /// The request is refused.
    Refuse(Reason),
    /// The request waits until its credentials have been checked.
    Wait {
        /// The number of the check: see [`super::Authenticator::finish`].
        ticket: u64,
    },
}

/// The access that a request is granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The resources.
    pub scope: Scope,
    /// The time.
    pub permit: Permit,
}

/// The resources that a credential grants access to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All.
    #[default]
    Everything,
    /// Those of one camera, by its index. It is the default wherever a request can choose a camera.
    Camera(usize),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No credentials are configured, and the client has a public address.
    PublicAddress,
    /// No credentials are configured, and the `Host` field is not a name of this server.
    UnknownHost,
    /// Missing or wrong credentials. The response is the same.
    Credentials {
        /// Whether the request has any.
        given: bool,
    },
    /// Too many failed logins from the client's network.
    TooManyFailures {
        /// Seconds until credentials are checked again.
        retry_after_seconds: u32,
    },
    /// Too many checks are pending, or the check failed for another reason.
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
    /// Returns whether a request needs credentials.
    pub fn has_credentials(&self) -> bool {
        self.secret.is_some() || self.has_accounts()
    }

    /// Returns whether there are users with passwords.
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

    /// Counts one refused request.
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
            Reason::PublicAddress => "public address, and no credentials are configured",
            Reason::UnknownHost => "unknown host name",
            Reason::Credentials { given: false } => "no credentials",
            Reason::Credentials { given: true } => "wrong or expired credentials",
            Reason::TooManyFailures { .. } => "too many failed logins",
            Reason::Busy => "too many pending logins",
        })
    }
}
