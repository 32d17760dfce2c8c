//! Access control: one check of every request, before it is routed.
//!
//! [`Authenticator::authorize`] decides about a request by its peer, its fields and the time.
//! Without configured credentials, it refuses clients at public addresses and requests for unknown
//! host names. With credentials, every path requires one of them, also a path that does not exist,
//! so that a response does not reveal which paths exist.
//!
//! Nothing here blocks. Verifying a password hash takes tens of milliseconds, so the caller does it
//! in a process of its own: it fetches the check with [`Authenticator::next_check`], suspends the
//! request, and reports the result with [`Authenticator::finish`].

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
pub use self::secret::{Claims, Secret};

use self::accounts::AccountDigests;
use self::checks::{Cached, Checks};
use self::credentials::Credential;
use self::digest::{Digest, Digester};
use self::failures::{FAILURES_MAX, Failures};
use self::logins::Logins;
use super::routes;
use crate::hub::{Call, ClientNet, Network, Peer, Permit};

/// The policy, and the state it needs: failed logins, successful logins, pending checks.
pub struct Authenticator {
    policy: Policy,
    cameras: Vec<String>,
    own_networks: Vec<Network>,
    digester: Digester,
    digests: AccountDigests,
    secret: Option<Digest>,
    failures: Failures,
    logins: Logins,
    checks: Checks,
    counts: Counts,
}

/// The client of a request, and the current time.
#[derive(Clone, Copy)]
struct Context {
    client_net: ClientNet,
    /// Whether the network sent valid credentials before.
    is_known: bool,
    now: Instant,
    wall_time: Duration,
}

/// The result of checking one credential.
enum Checked {
    Granted(Access),
    /// Expired, or valid for another camera: grants nothing, but is not counted as a failed login.
    NoAccess,
    /// Wrong. `is_counted` if the failed login was counted already, when its check ended.
    Failed {
        is_counted: bool,
    },
    Pending(u64),
    Busy,
}

impl Authenticator {
    /// Returns an authenticator for `cameras`, in the order of their indices. `key` must be random.
    pub fn new(policy: Policy, cameras: Vec<String>, key: &[u8]) -> Self {
        let digester = Digester::new(key);
        Self {
            digests: AccountDigests::new(&policy.accounts, &digester),
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

    /// Returns the client of a request: the peer, or the client that the peer names, if the peer is
    /// a trusted proxy.
    pub fn client(&self, call: &Call) -> Peer {
        let is_private = |peer| anonymous::is_private(peer, &self.own_networks);
        clients::client(
            call.peer,
            &call.request,
            &self.policy.trusted_proxies,
            is_private,
        )
    }

    /// Decides whether a request is answered. `wall_time` is the time since the Unix epoch, by
    /// which signed tokens expire.
    pub fn authorize(&mut self, call: &Call, now: Instant, wall_time: Duration) -> Decision {
        let client = self.client(call);
        let decision = match self.policy.has_credentials() {
            false => self.authorize_anonymous(client, call),
            // A browser sends a preflight without credentials.
            true if self.policy.origins.is_preflight(&call.request) => {
                Decision::Pass(Access::default())
            }
            true => {
                let client_net = ClientNet::of(client);
                let is_known = self.logins.contains(client_net, now);
                self.authorize_credentials(
                    call,
                    Context {
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
        // Only HTTP/1.0 may omit the Host field, and no browser speaks it.
        let mut hosts = clients::hosts(call.peer, &call.request, &self.policy.trusted_proxies);
        hosts.extend(call.request.host.as_deref());
        match () {
            () if !self.policy.is_public && !is_private => Decision::Refuse(Reason::PublicAddress),
            () if !hosts.into_iter().all(is_known) => Decision::Refuse(Reason::UnknownHost),
            () => Decision::Pass(Access::default()),
        }
    }

    fn authorize_credentials(&mut self, call: &Call, context: Context) -> Decision {
        let (mut has_any, mut blocked, mut pending) = (false, None, None);
        for credential in credentials::of(&call.request) {
            has_any = true;
            let (subject, digest) = self.subject(&credential);
            if let Some(wait) = self.blocked_for(subject, &digest, context) {
                blocked = blocked.max(Some(wait));
                continue;
            }
            match self.check(&credential, (subject, digest), call, context) {
                Checked::Granted(access) if self.covers(access.scope, call) => {
                    self.logins
                        .remember(context.client_net, digest, context.now);
                    return Decision::Pass(access);
                }
                Checked::Granted(_) | Checked::NoAccess => {}
                Checked::Failed { is_counted: true } => {}
                Checked::Failed { is_counted: false } => {
                    self.count_failure(context.client_net, subject, context.now)
                }
                Checked::Pending(ticket) => pending = Some(Decision::Wait { ticket }),
                Checked::Busy => pending = pending.or(Some(Decision::Refuse(Reason::Busy))),
            }
        }
        if !has_any && !context.is_known {
            blocked = self
                .failures
                .blocked_for(context.client_net, Subject::Any, context.now);
        }
        let too_many = blocked.map(|wait| Reason::TooManyFailures {
            retry_after_seconds: wait.as_secs() as u32 + 1,
        });
        pending.unwrap_or_else(|| {
            Decision::Refuse(too_many.unwrap_or(Reason::Credentials { given: has_any }))
        })
    }

    /// Returns what failures of a credential are counted by, and its digest.
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

    /// Returns for how long a credential is refused without a check, after too many failed logins.
    /// In a network with a successful login, a credential that was valid there is never blocked,
    /// tokens that another site's page may have sent are not counted, and failures of one user
    /// block that user only.
    fn blocked_for(&self, subject: Subject, digest: &Digest, context: Context) -> Option<Duration> {
        let Context {
            client_net,
            is_known,
            now,
            ..
        } = context;
        let counted = match (is_known, subject) {
            (true, Subject::EmbeddedToken) => return None,
            (true, _) if self.logins.has(client_net, digest, now) => return None,
            (true, subject) | (false, subject @ Subject::EmbeddedToken) => subject,
            (false, _) => Subject::Any,
        };
        self.failures.blocked_for(client_net, counted, now)
    }

    fn count_failure(&mut self, client_net: ClientNet, subject: Subject, now: Instant) {
        if subject != Subject::EmbeddedToken || !self.logins.contains(client_net, now) {
            self.failures.count(client_net, subject, now);
        }
    }

    fn check(
        &mut self,
        credential: &Credential<'_>,
        (subject, digest): (Subject, Digest),
        call: &Call,
        context: Context,
    ) -> Checked {
        match credential {
            Credential::Pair(pair) => self.check_pair(pair, (subject, digest), call, context),
            Credential::Token(token) | Credential::EmbeddedToken(token) => {
                self.check_token(token, &digest, context)
            }
            Credential::Other => Checked::Failed { is_counted: false },
        }
    }

    fn check_token(&self, token: &str, digest: &Digest, context: Context) -> Checked {
        let Some((secret, known)) = self.policy.secret.as_ref().zip(self.secret) else {
            return Checked::Failed { is_counted: false };
        };
        let (credential, everything) = (known.tag(), Scope::Everything);
        let is_secret: bool = known.ct_eq(digest).into();
        match secret.verify(token, context.wall_time) {
            _ if is_secret => Checked::Granted(Access {
                scope: everything,
                permit: Permit {
                    until: None,
                    credential,
                },
            }),
            Some(Ok(Claims { camera, expires })) => {
                let until = context
                    .now
                    .checked_add(expires.saturating_sub(context.wall_time));
                let permit = Permit { until, credential };
                match camera.map(|name| self.cameras.iter().position(|camera| *camera == name)) {
                    None => Checked::Granted(Access {
                        scope: everything,
                        permit,
                    }),
                    Some(Some(camera)) => Checked::Granted(Access {
                        scope: Scope::Camera(camera),
                        permit,
                    }),
                    Some(None) => Checked::NoAccess,
                }
            }
            Some(Err(secret::Expired)) => Checked::NoAccess,
            None => Checked::Failed { is_counted: false },
        }
    }

    fn check_pair(
        &mut self,
        pair: &[u8],
        (subject, digest): (Subject, Digest),
        call: &Call,
        context: Context,
    ) -> Checked {
        let right = |credential| {
            let permit = Permit {
                until: None,
                credential,
            };
            Checked::Granted(Access {
                scope: Scope::Everything,
                permit,
            })
        };
        if let Some(tag) = self.plain_tag(pair) {
            return right(tag);
        }
        let (user, password) = Credential::split(pair);
        let names: Vec<Digest> = password::encodings(user)
            .iter()
            .map(|name| self.digester.digest(name))
            .collect();
        let Some(target) = self
            .digests
            .hash_check(&names)
            .filter(|_| password.len() <= PASSWORD_BYTES_MAX)
        else {
            return Checked::Failed { is_counted: false };
        };
        match self.checks.cached(&digest, context.client_net, context.now) {
            Some(Cached::Right(tag)) => return right(tag),
            Some(Cached::Wrong { is_counted }) => return Checked::Failed { is_counted },
            Some(Cached::Unknown) => return Checked::Busy,
            None if call.waited => return Checked::Busy,
            None => {}
        }
        if self.has_too_many_checks(subject, context) {
            return Checked::Busy;
        }
        let client = (context.client_net, context.is_known);
        let ticket =
            self.checks
                .enqueue((digest, subject), (target, password), client, context.now);
        ticket.map_or(Checked::Busy, Checked::Pending)
    }

    /// Returns whether a network has used up its checks. A pending check counts as a failure until
    /// it ends, since it may become one.
    fn has_too_many_checks(&self, subject: Subject, context: Context) -> bool {
        let Context {
            client_net,
            is_known,
            now,
            ..
        } = context;
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

    /// Returns whether `pair` is the `user:password` of a plain-text account. The time does not
    /// depend on how many bytes are right.
    #[cfg(test)]
    pub fn has_plain_password(&self, pair: &[u8]) -> bool {
        self.plain_tag(pair).is_some()
    }

    /// Returns the tag of a plain-text account, in the same time whether it exists or not.
    fn plain_tag(&self, pair: &[u8]) -> Option<u64> {
        let encodings = password::encodings(pair);
        let digests = encodings.iter().map(|pair| self.digester.digest(pair));
        let tag = digests.fold(0, |found, digest| {
            u64::conditional_select(&found, &digest.tag(), self.digests.contains(&digest))
        });
        // No tag is zero.
        (tag != 0).then_some(tag)
    }

    /// Returns whether a scope covers a request.
    fn covers(&self, scope: Scope, call: &Call) -> bool {
        match scope {
            Scope::Everything => true,
            Scope::Camera(camera) => {
                let names: Vec<&str> = self.cameras.iter().map(String::as_str).collect();
                routes::is_of_camera(&call.request, camera, &names)
            }
        }
    }

    /// Returns the next pending check, the same one until it is [finished](Self::finish).
    pub fn next_check(&mut self) -> Option<&Check> {
        self.checks.next()
    }

    /// Takes the result of a check. The caller authorizes the suspended requests again. A failed
    /// login is counted here, so closing the connection early does not avoid it.
    pub fn finish(&mut self, ticket: u64, result: CheckResult, now: Instant) {
        for (client_net, subject) in self.checks.finish(ticket, result, now) {
            self.count_failure(client_net, subject, now);
        }
    }

    /// Returns the tickets of checks that were dropped, once each. The caller authorizes their
    /// requests again.
    pub fn take_dropped(&mut self) -> Vec<u64> {
        self.checks.take_dropped()
    }

    /// Replaces the networks of this machine's interfaces, whose addresses count as private.
    /// Returns those that are not in a reserved private range, if they have changed.
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

    /// Replaces the credentials. Returns whether they have changed; then the caller ends the
    /// connections whose permits are no longer [valid](Self::is_valid).
    pub fn replace(&mut self, accounts: Accounts, secret: Option<Secret>) -> bool {
        if (&self.policy.accounts, &self.policy.secret) == (&accounts, &secret) {
            return false;
        }
        self.digests = AccountDigests::new(&accounts, &self.digester);
        self.secret = secret
            .as_ref()
            .map(|secret| self.digester.digest(secret.as_str().as_bytes()));
        (self.policy.accounts, self.policy.secret) = (accounts, secret);
        self.checks.clear();
        self.logins.clear();
        true
    }

    /// Returns whether the credential of a permit still exists.
    pub fn is_valid(&self, permit: &Permit) -> bool {
        let Permit { credential, .. } = *permit;
        credential == Permit::default().credential
            || self.secret.is_some_and(|secret| secret.tag() == credential)
            || self.digests.has_tag(credential)
    }

    /// Returns the policy, with the current credentials.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns the counts of refused requests.
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
