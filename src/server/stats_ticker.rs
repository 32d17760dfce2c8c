//! Publishes statistics to the subscribers of `/events`: a snapshot each second, the turns of the
//! loop ten times a second. Without subscribers, nothing is collected.

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use super::snapshot::Parts;
use super::socket::Socket;
use crate::hub::Hub;
use crate::site::connection_view::{CONNECTIONS_SHOWN_MAX, ConnectionView, LoopEvent, Turn};
use crate::site::snapshot::Snapshot;
use crate::stream::Topic;
use crate::stream::counts::Totals;

/// People read figures that change once a second.
const STATE_PERIOD: Duration = Duration::from_secs(1);

/// At ten changes a second, a drawing of the loop appears to move.
const LOOP_PERIOD: Duration = Duration::from_millis(100);

/// Turns that are remembered for the next event. A busy loop has a few hundred in a tenth of a
/// second; of more, the last are as good as any.
const TURNS_MAX: usize = 256;

/// When the next statistics are due, and the turns since the last ones.
#[derive(Debug)]
pub struct StatsTicker {
    state: Ticker,
    turns_due: Ticker,
    turns: VecDeque<Turn>,
    turns_omitted: u64,
    /// The totals at the end of the last turn.
    before: Totals,
}

impl Default for StatsTicker {
    fn default() -> Self {
        Self {
            state: Ticker::new(STATE_PERIOD),
            turns_due: Ticker::new(LOOP_PERIOD),
            turns: VecDeque::new(),
            turns_omitted: 0,
            before: Totals::default(),
        }
    }
}

impl StatsTicker {
    /// Returns when the next statistics are due, while they have subscribers.
    pub fn next_deadline(&self) -> Option<Instant> {
        [self.state.next, self.turns_due.next]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns a snapshot, if one is due.
    pub fn state(&mut self, parts: Parts<'_>) -> Option<Snapshot> {
        self.state
            .is_due(parts.hub, Topic::State, parts.now)
            .then(|| parts.snapshot(Some(&[])))
    }

    /// Returns the turns since the last time and the connections, if they are due.
    pub fn turns(&mut self, parts: Parts<'_>) -> Option<LoopEvent> {
        let Parts {
            hub, cameras, now, ..
        } = parts;
        let is_first = self.turns_due.next.is_none();
        if !self.turns_due.is_due(hub, Topic::Loop, now) {
            return None;
        }
        if is_first {
            self.turns.clear();
            self.before = hub.live().totals;
        }
        let names: Vec<&str> = cameras.iter().map(|camera| camera.name()).collect();
        let shown = hub.connections().iter().take(CONNECTIONS_SHOWN_MAX);
        Some(LoopEvent {
            turns: self.turns.drain(..).collect(),
            turns_omitted: mem::take(&mut self.turns_omitted),
            connections_open: hub.connections().len(),
            connections: shown
                .map(|(_, connection)| ConnectionView::new(hub, connection, &names, now))
                .collect(),
        })
    }

    /// Remembers a turn that is over: when it began, counted from the start of the loop, how long
    /// it took, and how many events it handled.
    pub fn turned(&mut self, hub: &Hub<Socket>, began: Duration, took: Duration, events: usize) {
        if self.turns_due.next.is_none() {
            return;
        }
        let totals = &hub.live().totals;
        if self.turns.len() == TURNS_MAX {
            self.turns.pop_front();
            self.turns_omitted += 1;
        }
        self.turns.push_back(Turn(
            began.as_micros() as u64,
            took.as_micros() as u64,
            events as u64,
            totals.received_bytes - self.before.received_bytes,
            totals.writes.sent_bytes - self.before.writes.sent_bytes,
            totals.published - self.before.published,
        ));
        self.before = *totals;
    }
}

/// A period that runs while a topic has subscribers.
#[derive(Debug)]
struct Ticker {
    period: Duration,
    next: Option<Instant>,
}

impl Ticker {
    fn new(period: Duration) -> Self {
        Self { period, next: None }
    }

    /// Returns whether a period has ended, and starts the next one. With the first subscriber, it
    /// is due at once.
    fn is_due(&mut self, hub: &Hub<Socket>, topic: Topic, now: Instant) -> bool {
        let is_wanted = hub.subscribers(topic) > 0;
        let is_due = is_wanted && self.next.is_none_or(|next| now >= next);
        if is_due {
            self.next = Some(now + self.period);
        } else if !is_wanted {
            self.next = None;
        }
        is_due
    }
}
