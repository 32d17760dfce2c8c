//! Access control: one check of every request, before it is routed.
//!
//! [`Authenticator::authorize`] takes a request, its peer and the time, and decides whether to go
//! on. Where no credentials are set, public clients are refused, and so are names that are not this
//! server's. Where they are set, one of them is wanted on every address alike, known or not, so
//! that an answer says nothing of what stands there.
//!
//! Nothing here waits. A password that is kept as a hash takes tens of milliseconds to check, so
//! the authenticator names what is to be checked ([`Authenticator::next_check`]), the request waits
//! meanwhile as one that waits for a frame does, and the caller, which has it checked in a process
//! of its own, reports the result ([`Authenticator::finish`]).

mod accounts;
mod anonymous;
mod checks;
mod clients;
mod credentials;
mod digest;
pub mod failures;
mod logins;
mod password;
mod policy;
mod secret;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::{Duration, Instant};

use subtle::{ConditionallySelectable, ConstantTimeEq};

pub use self::accounts::{Accounts, AccountsError};
pub use self::checks::{Check, CheckResult};
pub use self::failures::Subject;
pub use self::password::{HASH_BYTES_MAX, PASSWORD_BYTES_MAX, PasswordHash};
pub use self::policy::{Access, Counts, Decision, Policy, Reason, Scope};
pub use self::secret::{Grant, Secret};

use self::accounts::Ledger;
use self::checks::{Checks, Recalled};
use self::credentials::Credential;
use self::digest::{Digest, Digester};
use self::failures::{FAILURES_MAX, Failures};
use self::logins::Logins;
use super::routes;
use crate::hub::Call;
use crate::hub::Permit;
use crate::stream::{ClientNet, Network, Peer};

/// The policy at work, with what it must remember of earlier requests.
pub struct Authenticator {
    policy: Policy,
    cameras: Vec<String>,
    own_networks: Vec<Network>,
    digester: Digester,
    ledger: Ledger,
    secret: Option<Digest>,
    failures: Failures,
    logins: Logins,
    checks: Checks,
    counts: Counts,
}

/// The client of a request, and the time.
#[derive(Clone, Copy)]
struct Moment {
    client_net: ClientNet,
    /// Whether right credentials have come from there before.
    is_known: bool,
    now: Instant,
    wall_time: Duration,
}

/// What came of one credential.
enum Checked {
    Right(Access),
    /// Expired, or valid for another camera: grants nothing, but is not counted as a failed login.
    Nothing,
    /// `is_counted` if it was counted already, when its check ended.
    Wrong {
        is_counted: bool,
    },
    Undecided(u64),
    Busy,
}

impl Authenticator {
    /// An authenticator for these cameras, in their order. `key` must be random, and lasts as long
    /// as it.
    pub fn new(policy: Policy, cameras: Vec<String>, key: &[u8]) -> Self {
        let digester = Digester::new(key);
        Self {
            ledger: Ledger::new(&policy.accounts, &digester),
            secret: policy
                .secret
                .as_ref()
                .map(|secret| digester.digest(secret.as_str().as_bytes())),
            policy,
            cameras,
            own_networks: Vec::new(),
            digester,
            failures: Failures::default(),
            logins: Logins::default(),
            checks: Checks::default(),
            counts: Counts::default(),
        }
    }

    /// The client of a request: its peer, or the one that the peer names if it is a trusted proxy.
    pub fn client(&self, call: &Call) -> Peer {
        let is_private = |peer| anonymous::is_private(peer, &self.own_networks);
        clients::client(
            call.peer,
            &call.request,
            &self.policy.trusted_proxies,
            is_private,
        )
    }

    /// Decides whether a request is answered. `wall_time` is a time since the Unix epoch; signed
    /// tokens expire by it.
    pub fn authorize(&mut self, call: &Call, now: Instant, wall_time: Duration) -> Decision {
        let client = self.client(call);
        let decision = match self.policy.has_credentials() {
            false => self.authorize_anonymous(client, call),
            // A browser asks whether it may send credentials before it has any.
            true if self.policy.origins.is_preflight(&call.request) => {
                Decision::Pass(Access::default())
            }
            true => {
                let client_net = ClientNet::of(client);
                let is_known = self.logins.knows(client_net, now);
                self.authorize_credentials(
                    call,
                    Moment {
                        client_net,
                        is_known,
                        now,
                        wall_time,
                    },
                )
            }
        };
        if let Decision::Refuse(reason) = decision {
            self.counts.count(reason);
        }
        decision
    }

    fn authorize_anonymous(&self, client: Peer, call: &Call) -> Decision {
        let is_private = anonymous::is_private(client, &self.own_networks);
        let is_known = |host: &str| anonymous::is_known_host(host, &self.policy.hosts, is_private);
        // Only HTTP/1.0 may leave it out, which no browser speaks.
        let mut hosts = clients::hosts(call.peer, &call.request, &self.policy.trusted_proxies);
        hosts.extend(call.request.host.as_deref());
        match () {
            () if !self.policy.is_public && !is_private => Decision::Refuse(Reason::PublicAddress),
            () if !hosts.into_iter().all(is_known) => Decision::Refuse(Reason::UnknownHost),
            () => Decision::Pass(Access::default()),
        }
    }

    fn authorize_credentials(&mut self, call: &Call, moment: Moment) -> Decision {
        let (mut has_any, mut blocked, mut pending) = (false, None, None);
        for credential in credentials::of(&call.request) {
            has_any = true;
            let (subject, digest) = self.subject(&credential);
            if let Some(wait) = self.blocked_for(subject, &digest, moment) {
                blocked = blocked.max(Some(wait));
                continue;
            }
            match self.check(&credential, (subject, digest), call, moment) {
                Checked::Right(access) if self.covers(access.scope, call) => {
                    self.logins.remember(moment.client_net, digest, moment.now);
                    return Decision::Pass(access);
                }
                Checked::Right(_) | Checked::Nothing => {}
                Checked::Wrong { is_counted: true } => {}
                Checked::Wrong { is_counted: false } => {
                    self.count_failure(moment.client_net, subject, moment.now)
                }
                Checked::Undecided(ticket) => pending = Some(Decision::Wait { ticket }),
                Checked::Busy => pending = pending.or(Some(Decision::Refuse(Reason::Busy))),
            }
        }
        if !has_any && !moment.is_known {
            blocked = self
                .failures
                .blocked_for(moment.client_net, Subject::Any, moment.now);
        }
        let too_many = blocked.map(|wait| Reason::TooManyFailures {
            retry_after_seconds: wait.as_secs() as u32 + 1,
        });
        pending.unwrap_or_else(|| {
            Decision::Refuse(too_many.unwrap_or(Reason::Credentials { given: has_any }))
        })
    }

    /// What a failure of a credential is counted for, and the digest by which it is remembered.
    fn subject(&self, credential: &Credential<'_>) -> (Subject, Digest) {
        match credential {
            Credential::Pair(pair) => {
                let (user, _) = Credential::split(pair);
                (
                    Subject::User(self.digester.digest(user)),
                    self.digester.digest(pair),
                )
            }
            Credential::Token(token) => (Subject::Token, self.digester.digest(token.as_bytes())),
            Credential::EmbeddedToken(token) => (
                Subject::EmbeddedToken,
                self.digester.digest(token.as_bytes()),
            ),
            Credential::Other => (Subject::Token, self.digester.digest(b"")),
        }
    }

    /// For how long a credential is refused unread, since too many like it were wrong. Where right
    /// ones have come from, those are always read, tokens that may be another site's doing do not
    /// count, and a user's failures count against that user alone.
    fn blocked_for(&self, subject: Subject, digest: &Digest, moment: Moment) -> Option<Duration> {
        let Moment {
            client_net,
            is_known,
            now,
            ..
        } = moment;
        let counted = match (is_known, subject) {
            (true, Subject::EmbeddedToken) => return None,
            (true, _) if self.logins.has(client_net, digest, now) => return None,
            (true, subject) | (false, subject @ Subject::EmbeddedToken) => subject,
            (false, _) => Subject::Any,
        };
        self.failures.blocked_for(client_net, counted, now)
    }

    fn count_failure(&mut self, client_net: ClientNet, subject: Subject, now: Instant) {
        if subject != Subject::EmbeddedToken || !self.logins.knows(client_net, now) {
            self.failures.count(client_net, subject, now);
        }
    }

    fn check(
        &mut self,
        credential: &Credential<'_>,
        (subject, digest): (Subject, Digest),
        call: &Call,
        moment: Moment,
    ) -> Checked {
        match credential {
            Credential::Pair(pair) => self.check_pair(pair, (subject, digest), call, moment),
            Credential::Token(token) | Credential::EmbeddedToken(token) => {
                self.check_token(token, &digest, moment)
            }
            Credential::Other => Checked::Wrong { is_counted: false },
        }
    }

    fn check_token(&self, token: &str, digest: &Digest, moment: Moment) -> Checked {
        let Some((secret, known)) = self.policy.secret.as_ref().zip(self.secret) else {
            return Checked::Wrong { is_counted: false };
        };
        let (credential, everything) = (known.tag(), Scope::Everything);
        let is_secret: bool = known.ct_eq(digest).into();
        match secret.read(token, moment.wall_time) {
            _ if is_secret => Checked::Right(Access {
                scope: everything,
                permit: Permit {
                    until: None,
                    credential,
                },
            }),
            Some(Ok(Grant { camera, expires })) => {
                let until = moment
                    .now
                    .checked_add(expires.saturating_sub(moment.wall_time));
                let permit = Permit { until, credential };
                match camera.map(|name| self.cameras.iter().position(|camera| *camera == name)) {
                    None => Checked::Right(Access {
                        scope: everything,
                        permit,
                    }),
                    Some(Some(camera)) => Checked::Right(Access {
                        scope: Scope::Camera(camera),
                        permit,
                    }),
                    Some(None) => Checked::Nothing,
                }
            }
            Some(Err(secret::Expired)) => Checked::Nothing,
            None => Checked::Wrong { is_counted: false },
        }
    }

    fn check_pair(
        &mut self,
        pair: &[u8],
        (subject, digest): (Subject, Digest),
        call: &Call,
        moment: Moment,
    ) -> Checked {
        let right = |credential| {
            let permit = Permit {
                until: None,
                credential,
            };
            Checked::Right(Access {
                scope: Scope::Everything,
                permit,
            })
        };
        if let Some(tag) = self.find_plain(pair) {
            return right(tag);
        }
        let (user, password) = Credential::split(pair);
        let names: Vec<Digest> = password::encodings(user)
            .iter()
            .map(|name| self.digester.digest(name))
            .collect();
        let Some(against) = self
            .ledger
            .against(&names)
            .filter(|_| password.len() <= PASSWORD_BYTES_MAX)
        else {
            return Checked::Wrong { is_counted: false };
        };
        match self.checks.recall(&digest, moment.client_net, moment.now) {
            Some(Recalled::Right(tag)) => return right(tag),
            Some(Recalled::Wrong { is_counted }) => return Checked::Wrong { is_counted },
            Some(Recalled::Unknown) => return Checked::Busy,
            None if call.waited => return Checked::Busy,
            None => {}
        }
        if self.has_too_many_checks(subject, moment) {
            return Checked::Busy;
        }
        let client = (moment.client_net, moment.is_known);
        let ticket = self
            .checks
            .ask((digest, subject), (against, password), client, moment.now);
        ticket.map_or(Checked::Busy, Checked::Undecided)
    }

    /// Whether a network has no further check to its name: one that waits may end as a failure, and
    /// counts as one until it has ended.
    fn has_too_many_checks(&self, subject: Subject, moment: Moment) -> bool {
        let Moment {
            client_net,
            is_known,
            now,
            ..
        } = moment;
        let (failures, pending) = if is_known {
            (
                self.failures.of(client_net, subject, now),
                self.checks.pending_of(client_net, subject),
            )
        } else {
            (
                self.failures.of(client_net, Subject::Any, now),
                self.checks.pending(client_net),
            )
        };
        let pending_all = self.checks.pending(client_net);
        (failures as usize + pending).max(pending_all) >= FAILURES_MAX as usize
    }

    /// Whether these bytes are the `user:password` of a user whose password is kept in plain. The
    /// time that takes does not depend on how many of the bytes are right.
    #[cfg(test)]
    pub fn is_plain(&self, pair: &[u8]) -> bool {
        self.find_plain(pair).is_some()
    }

    /// The tag of that credential, in the same time whether there is one or not.
    fn find_plain(&self, pair: &[u8]) -> Option<u64> {
        let encodings = password::encodings(pair);
        let digests = encodings.iter().map(|pair| self.digester.digest(pair));
        let tag = digests.fold(0, |found, digest| {
            u64::conditional_select(&found, &digest.tag(), self.ledger.knows(&digest))
        });
        // No tag is zero.
        (tag != 0).then_some(tag)
    }

    /// Whether a scope covers what a request asks for.
    fn covers(&self, scope: Scope, call: &Call) -> bool {
        match scope {
            Scope::Everything => true,
            Scope::Camera(camera) => {
                let names: Vec<&str> = self.cameras.iter().map(String::as_str).collect();
                routes::is_of_camera(&call.request, camera, &names)
            }
        }
    }

    /// The password to check next, if one waits. It stays the same until it is finished.
    pub fn next_check(&mut self) -> Option<&Check> {
        self.checks.next()
    }

    /// Takes the result of a check. A wrong password is counted as a failed login here, whether or
    /// not its connection is still there. The requests that wait for it are to be authorized again.
    pub fn finish(&mut self, ticket: u64, result: CheckResult, now: Instant) {
        for (client_net, subject) in self.checks.finish(ticket, result, now) {
            self.count_failure(client_net, subject, now);
        }
    }

    /// Tickets of checks that are not made after all, once each. Their requests are to be
    /// authorized again.
    pub fn take_dropped(&mut self) -> Vec<u64> {
        self.checks.take_dropped()
    }

    /// Takes the networks of this machine's interfaces. Returns those whose addresses are private
    /// for that alone, if they are others than before.
    pub fn set_own_networks(&mut self, networks: Vec<Network>) -> &[Network] {
        let is_reserved =
            |network: &Network| anonymous::is_private(Peer::Forwarded(network.address()), &[]);
        let networks = networks
            .into_iter()
            .filter(|network| !is_reserved(network))
            .collect();
        let before = std::mem::replace(&mut self.own_networks, networks);
        if self.own_networks == before {
            &[]
        } else {
            &self.own_networks
        }
    }

    /// Replaces the credentials, if these are others. Returns whether they are; then
    /// [`Authenticator::is_valid`] tells which permits have ended.
    pub fn replace(&mut self, accounts: Accounts, secret: Option<Secret>) -> bool {
        if (&self.policy.accounts, &self.policy.secret) == (&accounts, &secret) {
            return false;
        }
        self.ledger = Ledger::new(&accounts, &self.digester);
        self.secret = secret
            .as_ref()
            .map(|secret| self.digester.digest(secret.as_str().as_bytes()));
        (self.policy.accounts, self.policy.secret) = (accounts, secret);
        self.checks.clear();
        self.logins.clear();
        true
    }

    /// Whether the credential behind a permit is still one.
    pub fn is_valid(&self, permit: &Permit) -> bool {
        let Permit { credential, .. } = *permit;
        credential == Permit::default().credential
            || self.secret.is_some_and(|secret| secret.tag() == credential)
            || self.ledger.has_tag(credential)
    }

    /// The policy, with the credentials of now.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Requests refused so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("policy", &self.policy)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}
