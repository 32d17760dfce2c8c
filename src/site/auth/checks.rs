//! The queue of pending password checks, and a cache of their results. The checks run elsewhere,
//! one at a time, since each takes tens of milliseconds. The queue is fair to client networks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::accounts::HashCheck;
use super::digest::Digest;
use super::failures::Subject;
use crate::hub::ClientNet;

/// Limit of pending checks. At 50 ms each, the queue takes three seconds.
const CHECKS_MAX: usize = 64;

/// A wrong password is cached for this long.
const WRONG_FOR: Duration = Duration::from_secs(60);
/// A check that could not be made is repeated after this long at the earliest.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);

/// Limit of cached results of each kind. Beyond it the oldest is dropped.
const REMEMBERED_MAX: usize = 256;

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// The password matches.
    Right,
    /// It does not match.
    Wrong,
    /// The check could not be made.
    Unknown,
}

/// A password to be checked against a hash.
#[derive(Clone)]
pub struct Check {
    /// The number that its suspended requests refer to.
    pub ticket: u64,
    /// The hashes to verify it against.
    pub target: HashCheck,
    /// The password as it was sent.
    pub password: Vec<u8>,
    /// The digest of user and password.
    pair: Digest,
    subject: Subject,
    /// The networks whose requests wait for it, with the number of requests.
    clients: BTreeMap<ClientNet, u32>,
    /// Whether one of them sent valid credentials before.
    is_known: bool,
}

/// A cached result of a user and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cached {
    /// Valid. Holds the tag of the credential.
    Right(u64),
    /// Wrong.
    Wrong {
        /// Whether the failed login of this request was counted already, when its check ended.
        is_counted: bool,
    },
    /// The check could not be made.
    Unknown,
}

/// Pending checks and cached results.
#[derive(Default)]
pub struct Checks {
    waiting: Vec<Check>,
    /// The ticket of the running check.
    running: Option<u64>,
    /// For each network with a pending check, the number of its last finished check.
    served: BTreeMap<ClientNet, u64>,
    finished: u64,
    was_known_served: bool,
    right: BTreeMap<Digest, (u64, Instant)>,
    failed: BTreeMap<Digest, FailedCheck>,
    tickets: u64,
    /// Tickets of checks that were dropped from the queue.
    dropped: Vec<u64>,
}

struct FailedCheck {
    result: CheckResult,
    until: Instant,
    /// Requests that waited for the check. Its end has counted their failed logins.
    counted: BTreeMap<ClientNet, u32>,
}

impl Checks {
    /// Returns the cached result of a pair. A valid one is cached until the credentials change, see
    /// [`Checks::clear`].
    pub fn cached(&mut self, pair: &Digest, client_net: ClientNet, now: Instant) -> Option<Cached> {
        if let Some((tag, used_at)) = self.right.get_mut(pair) {
            *used_at = now;
            return Some(Cached::Right(*tag));
        }
        let failed = self
            .failed
            .get_mut(pair)
            .filter(|failed| now < failed.until)?;
        if failed.result == CheckResult::Unknown {
            return Some(Cached::Unknown);
        }
        let counted = failed
            .counted
            .get_mut(&client_net)
            .filter(|requests| **requests > 0);
        let is_counted = counted.map(|requests| *requests -= 1).is_some();
        Some(Cached::Wrong { is_counted })
    }

    /// Enqueues a check, or joins a pending one of the same pair. Returns its ticket; `None` if the
    /// queue is full.
    pub fn enqueue(
        &mut self,
        (pair, subject): (Digest, Subject),
        (target, password): (HashCheck, &[u8]),
        (client_net, is_known): (ClientNet, bool),
        now: Instant,
    ) -> Option<u64> {
        if let Some(same) = self.waiting.iter_mut().find(|check| check.pair == pair) {
            *same.clients.entry(client_net).or_default() += 1;
            same.is_known |= is_known;
            return Some(same.ticket);
        }
        if self.waiting.len() >= CHECKS_MAX && !self.drop_one(client_net, is_known, now) {
            return None;
        }
        self.tickets += 1;
        let (ticket, clients) = (self.tickets, BTreeMap::from([(client_net, 1)]));
        self.waiting.push(Check {
            ticket,
            target,
            password: password.to_vec(),
            pair,
            subject,
            clients,
            is_known,
        });
        Some(ticket)
    }

    /// Makes room for a check of `client_net` by dropping a check of the network with the most
    /// pending checks, if that has more than `client_net`. Networks without an earlier login lose a
    /// check first. Returns whether there is room.
    fn drop_one(&mut self, client_net: ClientNet, is_known: bool, now: Instant) -> bool {
        let load = |check: &Check| {
            check
                .clients
                .keys()
                .map(|client| self.pending(*client))
                .min()
                .unwrap_or(0)
        };
        let own = self.pending(client_net);
        let droppable = self
            .waiting
            .iter()
            .enumerate()
            .filter(|(_, check)| Some(check.ticket) != self.running);
        let worst = droppable.max_by_key(|(index, check)| (!check.is_known, load(check), *index));
        let Some((index, check)) = worst else {
            return false;
        };
        let may_drop = match (check.is_known, is_known) {
            (false, true) => true,
            (true, false) => false,
            _ => load(check) > own + 1,
        };
        if may_drop {
            let check = self.waiting.remove(index);
            self.dropped.push(check.ticket);
            self.remember_failed(check, CheckResult::Unknown, now);
        }
        may_drop
    }

    /// Returns the number of pending checks of a network.
    pub fn pending(&self, client_net: ClientNet) -> usize {
        self.waiting
            .iter()
            .filter(|check| check.clients.contains_key(&client_net))
            .count()
    }

    /// Returns the number of pending checks of a network and a subject.
    pub fn pending_of(&self, client_net: ClientNet, subject: Subject) -> usize {
        let waiting = self
            .waiting
            .iter()
            .filter(|check| check.clients.contains_key(&client_net));
        waiting.filter(|check| check.subject == subject).count()
    }

    /// Returns the next check, the same one until it is [finished](Self::finish). Networks take
    /// turns, and so do networks with an earlier login and those without, so that neither kind
    /// waits for all checks of the other.
    pub fn next(&mut self) -> Option<&Check> {
        let running = self
            .running
            .filter(|ticket| self.waiting.iter().any(|check| check.ticket == *ticket));
        let ticket = running.or_else(|| {
            let prefers_known = !self.was_known_served;
            let served = |check: &Check| {
                check
                    .clients
                    .keys()
                    .map(|client| self.served.get(client))
                    .min()
            };
            let next = self
                .waiting
                .iter()
                .min_by_key(|check| (check.is_known != prefers_known, served(check)))?;
            Some(next.ticket)
        })?;
        self.running = Some(ticket);
        self.waiting.iter().find(|check| check.ticket == ticket)
    }

    /// Caches the result of a check. Returns the networks and subjects of which to count a failed
    /// login.
    pub fn finish(
        &mut self,
        ticket: u64,
        result: CheckResult,
        now: Instant,
    ) -> Vec<(ClientNet, Subject)> {
        self.running = None;
        let Some(index) = self.waiting.iter().position(|check| check.ticket == ticket) else {
            return Vec::new();
        };
        let check = self.waiting.remove(index);
        self.was_known_served = check.is_known;
        self.finished += 1;
        self.served
            .extend(check.clients.keys().map(|&client| (client, self.finished)));
        let waiting = &self.waiting;
        self.served.retain(|client, _| {
            waiting
                .iter()
                .any(|check| check.clients.contains_key(client))
        });
        match (result, check.target.tag) {
            (CheckResult::Right, Some(tag)) => {
                make_room(&mut self.right, |(_, used_at)| *used_at);
                self.right.insert(check.pair, (tag, now));
                Vec::new()
            }
            (CheckResult::Unknown, _) => {
                self.remember_failed(check, CheckResult::Unknown, now);
                Vec::new()
            }
            (CheckResult::Wrong | CheckResult::Right, _) => {
                let failed = check
                    .clients
                    .keys()
                    .map(|&client| (client, check.subject))
                    .collect();
                self.remember_failed(check, CheckResult::Wrong, now);
                failed
            }
        }
    }

    /// Returns the tickets of dropped checks, once each.
    pub fn take_dropped(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.dropped)
    }

    /// Drops all checks and results, after the credentials have changed.
    pub fn clear(&mut self) {
        self.dropped
            .extend(self.waiting.drain(..).map(|check| check.ticket));
        self.running = None;
        self.right.clear();
        self.failed.clear();
    }

    fn remember_failed(&mut self, check: Check, result: CheckResult, now: Instant) {
        let lifetime = if result == CheckResult::Wrong {
            WRONG_FOR
        } else {
            UNKNOWN_FOR
        };
        self.failed.retain(|_, failed| now < failed.until);
        make_room(&mut self.failed, |failed| failed.until);
        self.failed.insert(
            check.pair,
            FailedCheck {
                result,
                until: now + lifetime,
                counted: check.clients,
            },
        );
    }
}

/// Makes room for one more entry by dropping the one with the earliest time.
fn make_room<T>(cache: &mut BTreeMap<Digest, T>, time: impl Fn(&T) -> Instant) {
    if cache.len() >= REMEMBERED_MAX {
        let first = cache
            .iter()
            .min_by_key(|(_, entry)| time(entry))
            .map(|(&pair, _)| pair);
        first.and_then(|first| cache.remove(&first));
    }
}
