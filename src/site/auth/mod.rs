//! Who may see the cameras: one check, before anybody looks what is asked for.
//!
//! [`Guard::judge`] is given a request, its peer and the time, and says whether to go on. Where no credentials are set,
//! peers from elsewhere are refused, and so are names that are not this server's. Where they are set, one of them is
//! wanted on every address alike, known or not, so that an answer says nothing of what stands there.
//!
//! Nothing here waits. A password that is kept as a hash takes tens of milliseconds to check, so the guard says what is
//! to be checked ([`Guard::next_check`]), the request waits meanwhile as one that waits for a frame does, and whoever
//! has had it checked, in a process of its own, says what came of it ([`Guard::settle`]).

mod accounts;
mod checks;
mod credentials;
mod digest;
pub mod failures;
mod password;
mod secret;
mod strangers;

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;
use subtle::ConstantTimeEq;

pub use self::accounts::{Accounts, AccountsError};
pub use self::checks::{Check, Verdict};
pub use self::password::{PASSWORD_BYTES_MAX, PasswordHash};
pub use self::secret::{Grant, Secret, TooShort};

use self::accounts::Ledger;
use self::checks::Checks;
use self::credentials::Credential;
use self::digest::{Digest, Digester};
use self::failures::{FAILURES_MAX, Failures};
use super::origins::Origins;
use super::routes;
use crate::stream::hub::Call;
use crate::stream::{Household, Peer};
use crate::wire::http::Request;

/// Who is let in, as it was set.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Users with passwords.
    pub accounts: Accounts,
    /// A token, with which others may be signed.
    pub secret: Option<Secret>,
    /// Whether peers from elsewhere are served though there are no credentials.
    pub is_public: bool,
    /// Names by which this server may be asked for, besides its addresses and those that mean no other.
    pub hosts: Vec<String>,
    /// Pages from elsewhere that may use what is served.
    pub origins: Origins,
}

/// The policy at work: with what it must remember of those who were here.
pub struct Guard {
    policy: Policy,
    cameras: Vec<String>,
    digester: Digester,
    ledger: Ledger,
    secret: Option<Digest>,
    failures: Failures,
    checks: Checks,
    counts: Counts,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is answered.
    Pass,
    /// It is not.
    Refuse(Reason),
    /// Its credentials are being checked under this ticket.
    Wait {
        /// See [`Guard::settle`].
        ticket: u64,
    },
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There are no credentials, and the peer is from elsewhere.
    Stranger,
    /// There are no credentials, and the name is not ours.
    OtherHost,
    /// No credentials, or not the right ones.
    Credentials,
    /// The peer's household was wrong too often.
    TooManyFailures {
        /// It is listened to again after this many seconds.
        retry_after_seconds: u32,
    },
    /// More credentials wait to be checked than may, or one could not be.
    Busy,
}

/// Requests refused, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "each field is the count of the reason of the same name")]
pub struct Counts {
    pub stranger: u64,
    pub other_host: u64,
    pub credentials: u64,
    pub too_many_failures: u64,
    pub busy: u64,
}

/// What a credential is worth.
enum Worth {
    Everything,
    Camera(String),
    /// It was right, or is for something else: no guess, and no pass.
    Nothing,
    Wrong,
    Undecided(u64),
    Busy,
}

impl Policy {
    /// Whether anybody has to say who they are.
    pub fn has_credentials(&self) -> bool {
        self.secret.is_some() || self.has_accounts()
    }

    /// Whether there are users with passwords.
    pub fn has_accounts(&self) -> bool {
        !self.accounts.is_empty()
    }
}

impl Guard {
    /// A guard for these cameras, in their order. `key` must be one that nobody can guess, and lasts as long as it.
    pub fn new(policy: Policy, cameras: Vec<String>, key: &[u8]) -> Self {
        let digester = Digester::new(key);
        Self {
            ledger: Ledger::new(&policy.accounts, &digester),
            secret: policy.secret.as_ref().map(|secret| digester.digest(secret.as_str().as_bytes())),
            policy,
            cameras,
            digester,
            failures: Failures::default(),
            checks: Checks::default(),
            counts: Counts::default(),
        }
    }

    /// Whether a request is answered. `wall_time` is a time since the Unix epoch; signed tokens end by it.
    pub fn judge(&mut self, call: &Call, now: Instant, wall_time: Duration) -> Judgement {
        let judgement = match self.policy.has_credentials() {
            false => self.judge_stranger(call.peer, &call.request),
            // A browser asks whether it may send credentials before it has any.
            true if self.policy.origins.is_preflight(&call.request) => Judgement::Pass,
            true => self.judge_credentials(call, now, wall_time),
        };
        if let Judgement::Refuse(reason) = judgement {
            self.counts.count(reason);
        }
        judgement
    }

    fn judge_stranger(&self, peer: Peer, request: &Request) -> Judgement {
        let is_own = |host| strangers::is_own(host, &self.policy.hosts);
        match () {
            () if !self.policy.is_public && !strangers::is_near(peer) => Judgement::Refuse(Reason::Stranger),
            // Only HTTP/1.0 may leave it out, which no browser speaks.
            () if request.field("Host").is_some_and(|host| !is_own(host)) => Judgement::Refuse(Reason::OtherHost),
            () => Judgement::Pass,
        }
    }

    fn judge_credentials(&mut self, call: &Call, now: Instant, wall_time: Duration) -> Judgement {
        let household = Household::of(call.peer);
        if let Some(wait) = self.failures.blocked_for(household, now) {
            let retry_after_seconds = wait.as_secs() as u32 + 1;
            return Judgement::Refuse(Reason::TooManyFailures { retry_after_seconds });
        }
        let (mut is_wrong, mut pending) = (false, None);
        for credential in credentials::of(&call.request) {
            match self.weigh(&credential, call, now, wall_time) {
                Worth::Everything => return Judgement::Pass,
                Worth::Camera(name) if self.is_of(&call.request, &name) => return Judgement::Pass,
                Worth::Camera(_) | Worth::Nothing => {}
                Worth::Wrong => is_wrong = true,
                Worth::Undecided(ticket) => pending = Some(Judgement::Wait { ticket }),
                Worth::Busy => pending = Some(Judgement::Refuse(Reason::Busy)),
            }
        }
        if let Some(pending) = pending {
            return pending;
        }
        if is_wrong {
            self.failures.count(household, now);
        }
        Judgement::Refuse(Reason::Credentials)
    }

    fn weigh(&mut self, credential: &Credential<'_>, call: &Call, now: Instant, wall_time: Duration) -> Worth {
        match credential {
            Credential::Pair(pair) => self.weigh_pair(pair, call, now),
            Credential::Token(token) => self.weigh_token(token, wall_time),
            Credential::Other => Worth::Wrong,
        }
    }

    fn weigh_token(&self, token: &str, wall_time: Duration) -> Worth {
        let digest = self.digester.digest(token.as_bytes());
        let is_secret = self.secret.is_some_and(|secret| secret.ct_eq(&digest).into());
        match self.policy.secret.as_ref().and_then(|secret| secret.read(token, wall_time)) {
            _ if is_secret => Worth::Everything,
            Some(Ok(Grant::Everything)) => Worth::Everything,
            Some(Ok(Grant::Camera(name))) => Worth::Camera(name),
            // A page that was left open asks on with its old token, and is not to be taken for one who guesses.
            Some(Err(secret::Expired)) => Worth::Nothing,
            None => Worth::Wrong,
        }
    }

    fn weigh_pair(&mut self, pair: &[u8], call: &Call, now: Instant) -> Worth {
        if self.is_plain(pair) {
            return Worth::Everything;
        }
        let digest = self.digester.digest(pair);
        let colon = pair.iter().position(|&byte| byte == b':').unwrap_or(pair.len());
        let (user, password) = (&pair[..colon], pair.get(colon + 1..).unwrap_or_default());
        let Some(hash) = self.ledger.hash_of(&self.digester.digest(user)) else { return Worth::Wrong };
        if password.len() > PASSWORD_BYTES_MAX {
            return Worth::Wrong;
        }
        match self.checks.recall(&digest, now) {
            Some(Verdict::Right) => return Worth::Everything,
            Some(Verdict::Wrong) => return Worth::Wrong,
            Some(Verdict::Unknown) => return Worth::Busy,
            None if call.waited => return Worth::Busy,
            None => {}
        }
        // What waits for its check may be one more mistake, and is counted as one until it is known.
        let household = Household::of(call.peer);
        let mistakes = self.failures.of(household, now) as usize + self.checks.of(household);
        if mistakes >= FAILURES_MAX as usize {
            return Worth::Busy;
        }
        self.checks.ask(digest, hash, password, household).map_or(Worth::Busy, Worth::Undecided)
    }

    /// Whether these bytes are the `user:password` of somebody whose password is kept in plain. How long that takes
    /// says nothing of how near they are to being so.
    pub fn is_plain(&self, pair: &[u8]) -> bool {
        self.ledger.knows(&self.digester.digest(pair))
    }

    /// Whether a request is for a stream or a snapshot of the camera `name`.
    fn is_of(&self, request: &Request, name: &str) -> bool {
        let names: Vec<&str> = self.cameras.iter().map(String::as_str).collect();
        routes::camera(request, &names).is_some_and(|camera| names[camera] == name)
    }

    /// The password to check next, if one waits. It is named again until it is settled.
    pub fn next_check(&self) -> Option<&Check> {
        self.checks.next()
    }

    /// A check is over: the requests that wait for it can be judged.
    pub fn settle(&mut self, ticket: u64, verdict: Verdict, now: Instant) {
        self.checks.settle(ticket, verdict, now);
    }

    /// What was set.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Requests refused so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

impl Counts {
    fn count(&mut self, reason: Reason) {
        let count = match reason {
            Reason::Stranger => &mut self.stranger,
            Reason::OtherHost => &mut self.other_host,
            Reason::Credentials => &mut self.credentials,
            Reason::TooManyFailures { .. } => &mut self.too_many_failures,
            Reason::Busy => &mut self.busy,
        };
        *count += 1;
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("policy", &self.policy).field("counts", &self.counts).finish_non_exhaustive()
    }
}
