//! Passwords that wait to be checked against a hash, and the results that are remembered. Checking
//! takes tens of milliseconds and is done elsewhere, one at a time: here is the queue, which is
//! fair to client networks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::accounts::Against;
use super::digest::Digest;
use super::failures::Subject;
use crate::stream::ClientNet;

/// Checks that may wait. At 50 ms each this is a queue of three seconds.
const CHECKS_MAX: usize = 64;

/// A password that was wrong is wrong for this long without another check.
const WRONG_FOR: Duration = Duration::from_secs(60);
/// After a check that failed, another is made only after this long.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);

/// Results of each kind that are remembered. Past it the oldest is dropped.
const REMEMBERED_MAX: usize = 256;

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// It is the password.
    Right,
    /// It is not.
    Wrong,
    /// The check could not be made.
    Unknown,
}

/// A password to be checked against a hash.
#[derive(Clone)]
pub struct Check {
    /// The number under which its requests wait.
    pub ticket: u64,
    /// What it is to be checked against.
    pub against: Against,
    /// What was sent.
    pub password: Vec<u8>,
    /// Of the user and the password.
    pair: Digest,
    subject: Subject,
    /// The networks whose requests wait for it, and how many of each.
    clients: BTreeMap<ClientNet, u32>,
    /// Whether right credentials have come from one of them before.
    is_known: bool,
}

/// What is known of a user and a password without a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recalled {
    /// They are right; this is the tag of the credential.
    Right(u64),
    /// They are wrong. `is_counted` if the failure of this request was counted when the check that
    /// it waited for ended.
    Wrong {
        /// See above.
        is_counted: bool,
    },
    /// They could not be checked a moment ago.
    Unknown,
}

/// All checks that wait or are being made, and their results.
#[derive(Default)]
pub struct Checks {
    waiting: Vec<Check>,
    /// The ticket of the one that is being made.
    running: Option<u64>,
    /// When each network with a waiting check was last served, counted in checks.
    served: BTreeMap<ClientNet, u64>,
    finished: u64,
    was_known_served: bool,
    right: BTreeMap<Digest, (u64, Instant)>,
    not_right: BTreeMap<Digest, NotRight>,
    tickets: u64,
    /// Tickets of checks that were dropped from the queue: their requests are to be answered.
    dropped: Vec<u64>,
}

struct NotRight {
    result: CheckResult,
    until: Instant,
    /// Requests that waited for the check. Their failures are counted by the check, not by the
    /// request.
    counted: BTreeMap<ClientNet, u32>,
}

impl Checks {
    /// What is known without a check. Credentials that were right are so until they change: see
    /// [`Checks::clear`].
    pub fn recall(
        &mut self,
        pair: &Digest,
        client_net: ClientNet,
        now: Instant,
    ) -> Option<Recalled> {
        if let Some((tag, used_at)) = self.right.get_mut(pair) {
            *used_at = now;
            return Some(Recalled::Right(*tag));
        }
        let not_right = self
            .not_right
            .get_mut(pair)
            .filter(|not_right| now < not_right.until)?;
        if not_right.result == CheckResult::Unknown {
            return Some(Recalled::Unknown);
        }
        let counted = not_right
            .counted
            .get_mut(&client_net)
            .filter(|requests| **requests > 0);
        let is_counted = counted.map(|requests| *requests -= 1).is_some();
        Some(Recalled::Wrong { is_counted })
    }

    /// Queues a check, or joins the same one. Returns the ticket to wait for; `None` if too many
    /// wait already.
    pub fn ask(
        &mut self,
        (pair, subject): (Digest, Subject),
        (against, password): (Against, &[u8]),
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
            against,
            password: password.to_vec(),
            pair,
            subject,
            clients,
            is_known,
        });
        Some(ticket)
    }

    /// Makes room for a check of `client_net`: at the cost of the network with the most waiting
    /// checks if it has more, and of one without an earlier login first. Returns whether there is
    /// room.
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
        let gives_way = match (check.is_known, is_known) {
            (false, true) => true,
            (true, false) => false,
            _ => load(check) > own + 1,
        };
        if gives_way {
            let check = self.waiting.remove(index);
            self.dropped.push(check.ticket);
            self.remember_not_right(check, CheckResult::Unknown, now);
        }
        gives_way
    }

    /// Checks that wait for requests of a network.
    pub fn pending(&self, client_net: ClientNet) -> usize {
        self.waiting
            .iter()
            .filter(|check| check.clients.contains_key(&client_net))
            .count()
    }

    /// Those of one subject.
    pub fn pending_of(&self, client_net: ClientNet, subject: Subject) -> usize {
        let waiting = self
            .waiting
            .iter()
            .filter(|check| check.clients.contains_key(&client_net));
        waiting.filter(|check| check.subject == subject).count()
    }

    /// The check to make next; it stays the same until it is [finished](Self::finish). Networks
    /// take turns, and so do those with an earlier login and those without: neither waits for all
    /// checks of the other.
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

    /// Remembers what came of a check. Returns the networks to count a failed login of, and of what
    /// subject.
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
        match (result, check.against.tag) {
            (CheckResult::Right, Some(tag)) => {
                bound(&mut self.right, |(_, used_at)| *used_at);
                self.right.insert(check.pair, (tag, now));
                Vec::new()
            }
            (CheckResult::Unknown, _) => {
                self.remember_not_right(check, CheckResult::Unknown, now);
                Vec::new()
            }
            (CheckResult::Wrong | CheckResult::Right, _) => {
                let failed = check
                    .clients
                    .keys()
                    .map(|&client| (client, check.subject))
                    .collect();
                self.remember_not_right(check, CheckResult::Wrong, now);
                failed
            }
        }
    }

    /// Tickets of checks that are dropped and whose requests are to be answered, once each.
    pub fn take_dropped(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.dropped)
    }

    /// Drops all checks and results: the credentials have changed.
    pub fn clear(&mut self) {
        self.dropped
            .extend(self.waiting.drain(..).map(|check| check.ticket));
        self.running = None;
        self.right.clear();
        self.not_right.clear();
    }

    fn remember_not_right(&mut self, check: Check, result: CheckResult, now: Instant) {
        let lasts = if result == CheckResult::Wrong {
            WRONG_FOR
        } else {
            UNKNOWN_FOR
        };
        self.not_right.retain(|_, not_right| now < not_right.until);
        bound(&mut self.not_right, |not_right| not_right.until);
        self.not_right.insert(
            check.pair,
            NotRight {
                result,
                until: now + lasts,
                counted: check.clients,
            },
        );
    }
}

/// Makes room for one more by dropping the one with the earliest time.
fn bound<T>(memory: &mut BTreeMap<Digest, T>, time: impl Fn(&T) -> Instant) {
    if memory.len() >= REMEMBERED_MAX {
        let first = memory
            .iter()
            .min_by_key(|(_, remembered)| time(remembered))
            .map(|(&pair, _)| pair);
        first.and_then(|first| memory.remove(&first));
    }
}
