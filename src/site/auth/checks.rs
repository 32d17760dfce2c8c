//! Passwords that are being checked against a hash, and what came of it. The checking itself takes tens of milliseconds
//! and is somebody else's: here stands who waits for it, and what is remembered so that it is not done twice.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::digest::Digest;
use super::password::PasswordHash;
use crate::stream::Household;

/// Checks that may wait their turn. At 50 ms each this is a queue of three seconds.
const CHECKS_MAX: usize = 64;

/// A password that was right is right for this long without another check, and one that was wrong is wrong.
const RIGHT_FOR: Duration = Duration::from_secs(600);
const WRONG_FOR: Duration = Duration::from_secs(60);
/// After a check that failed, another is made only after this long.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);

/// Verdicts of each kind that are remembered. Past it the one that would be forgotten first is.
const REMEMBERED_MAX: usize = 256;

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password.
    Right,
    /// It is not.
    Wrong,
    /// It could not be found out.
    Unknown,
}

/// A password to be checked against a hash.
#[derive(Clone)]
pub struct Check {
    /// The number under which its requests wait.
    pub ticket: u64,
    /// What it is to be checked against.
    pub hash: PasswordHash,
    /// What was sent.
    pub password: Vec<u8>,
    /// Of the user and the password.
    pair: Digest,
    /// Who asks.
    household: Household,
    /// Whether the hash is the user's own. Otherwise the answer is no, whatever comes of the check.
    is_own: bool,
}

/// All checks under way, the one that is made now first.
#[derive(Default)]
pub struct Checks {
    queue: VecDeque<Check>,
    right: Memory,
    not_right: Memory,
    tickets: u64,
}

type Memory = BTreeMap<Digest, (Verdict, Instant)>;

impl Checks {
    /// What is known of a user and password, without a check.
    pub fn recall(&self, pair: &Digest, now: Instant) -> Option<Verdict> {
        let remembered = self.right.get(pair).or_else(|| self.not_right.get(pair));
        remembered.filter(|&&(_, until)| now < until).map(|&(verdict, _)| verdict)
    }

    /// Has a password checked, unless it is being checked already. Returns the ticket to wait for; `None` if too many
    /// wait already.
    pub fn ask(
        &mut self,
        pair: Digest,
        hash: (&PasswordHash, bool),
        password: &[u8],
        household: Household,
    ) -> Option<u64> {
        if let Some(same) = self.queue.iter().find(|check| check.pair == pair) {
            return Some(same.ticket);
        }
        if self.queue.len() >= CHECKS_MAX {
            return None;
        }
        self.tickets += 1;
        let (ticket, (hash, is_own), password) = (self.tickets, hash, password.to_vec());
        self.queue.push_back(Check { ticket, hash: hash.clone(), password, pair, household, is_own });
        Some(ticket)
    }

    /// Checks of a household that wait.
    pub fn of(&self, household: Household) -> usize {
        self.queue.iter().filter(|check| check.household == household).count()
    }

    /// The check to make next; it stays until it is [settled](Self::settle).
    pub fn next(&self) -> Option<&Check> {
        self.queue.front()
    }

    /// Remembers what came of a check.
    pub fn settle(&mut self, ticket: u64, verdict: Verdict, now: Instant) {
        let Some(index) = self.queue.iter().position(|check| check.ticket == ticket) else { return };
        let Some(check) = self.queue.remove(index) else { return };
        let verdict = if verdict == Verdict::Right && !check.is_own { Verdict::Wrong } else { verdict };
        let (memory, lasts) = match verdict {
            Verdict::Right => (&mut self.right, RIGHT_FOR),
            Verdict::Wrong => (&mut self.not_right, WRONG_FOR),
            Verdict::Unknown => (&mut self.not_right, UNKNOWN_FOR),
        };
        memory.retain(|_, (_, until)| now < *until);
        if memory.len() >= REMEMBERED_MAX {
            let first = memory.iter().min_by_key(|(_, (_, until))| *until).map(|(&pair, _)| pair);
            first.and_then(|first| memory.remove(&first));
        }
        memory.insert(check.pair, (verdict, now + lasts));
    }
}
