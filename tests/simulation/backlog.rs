//! A listener's backlog, and who accepts from it: a model of `server::listener` and of the loop's `accept`, which need
//! a kernel to run. It brings newcomers into the simulated turn as the loop does, one edge for any number of them.

use std::time::{Duration, Instant};

use crate::ledger::Ledger;

const ACCEPTS_MAX: usize = 64;
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct Backlog {
    /// Connections that wait to be accepted.
    pub waiting: usize,
    /// Connections there may be before descriptors run out, as things are.
    pub descriptors: usize,
    /// The loop's own bound.
    connections_max: usize,
    edge: bool,
    /// "Nobody waits" was said, and no edge has come since.
    is_drained: bool,
    is_owed: bool,
    retry: Option<Instant>,
}

impl Backlog {
    pub fn new(connections_max: usize) -> Self {
        let descriptors = connections_max;
        Self { waiting: 0, descriptors, connections_max, edge: false, is_drained: false, is_owed: true, retry: None }
    }

    /// Somebody connects.
    pub fn arrive(&mut self) {
        self.waiting += 1;
        self.edge |= self.is_drained;
        self.is_drained = false;
    }

    /// Whether the loop must come back without delay, or when.
    pub fn wakes(&self, connections: usize, ledger: &Ledger) -> bool {
        self.edge
            || (self.is_owed && self.may_accept(connections, ledger))
            || self.retry.is_some_and(|retry| retry <= ledger.now)
    }

    /// One round of accepting: how many come in while there are `connections` already.
    pub fn accept(&mut self, mut connections: usize, ledger: &Ledger) -> usize {
        self.is_owed |= std::mem::take(&mut self.edge);
        self.retry = self.retry.filter(|&retry| retry > ledger.now);
        let before = self.waiting;
        for _ in 0..ACCEPTS_MAX {
            if !self.is_owed || !self.may_accept(connections, ledger) {
                break;
            }
            if self.waiting == 0 {
                self.is_owed = false;
                self.is_drained = true;
            } else if connections >= self.descriptors {
                self.retry = Some(ledger.now + ACCEPT_RETRY);
            } else {
                self.waiting -= 1;
                connections += 1;
            }
        }
        before - self.waiting
    }

    /// A connection was closed: there is a descriptor.
    pub fn freed(&mut self) {
        self.retry = None;
    }

    /// Whether somebody waits and nothing will ever tell the loop so.
    pub fn is_forgotten(&self, connections: usize) -> bool {
        self.waiting > 0 && !self.edge && !self.is_owed && connections < self.connections_max
    }

    fn may_accept(&self, connections: usize, ledger: &Ledger) -> bool {
        self.retry.is_none() && !ledger.stopping && connections < self.connections_max
    }
}
