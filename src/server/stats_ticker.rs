//! Publishes statistics to the subscribers of `/events`: a snapshot once a second, the turns of the
//! loop ten times a second. Without subscribers, nothing is collected.

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;

use super::snapshot::Sources;
use super::socket::Socket;
use crate::hub::{Hub, Wake};
use crate::site::connection_view::{CONNECTIONS_SHOWN_MAX, ConnectionView, LoopEvent, Turn};
use crate::stream::Topic;
use crate::stream::counts::Totals;

/// Slow enough that people can read the changing numbers.
const STATE_PERIOD: Duration = Duration::from_secs(1);

/// Fast enough that the drawing of the loop appears to move.
const LOOP_PERIOD: Duration = Duration::from_millis(100);

/// Turns recorded for one event: of more, the oldest are left out. A busy loop takes a few hundred
/// turns in a tenth of a second.
const TURNS_MAX: usize = 256;

/// The periods of both kinds of event, and the turns since the last one.
#[derive(Debug)]
pub struct StatsTicker {
    state: Ticker,
    turns_due: Ticker,
    turns: VecDeque<Turn>,
    turns_omitted: u64,
    /// The totals at the end of the last turn, to compute what one turn adds.
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
    /// Returns when to call [`StatsTicker::take_due`] next: never without subscribers.
    pub fn next_wake(&self) -> Wake {
        let next = [self.state.next, self.turns_due.next].into_iter().flatten();
        next.min().map_or(Wake::OnInput, Wake::At)
    }

    /// Returns the events that are due, with their topics: a snapshot, or the turns since the last
    /// such event.
    pub fn take_due(&mut self, sources: Sources<'_>) -> Vec<(Topic, Bytes)> {
        let Sources { hub, now, .. } = sources;
        let mut due = Vec::new();
        if self.state.is_due(hub, Topic::State, now) {
            due.push((Topic::State, json(&sources.snapshot(Some(&[])))));
        }
        let is_first = self.turns_due.next.is_none();
        if self.turns_due.is_due(hub, Topic::Loop, now) {
            if is_first {
                self.turns.clear();
                self.before = hub.live().totals;
            }
            due.push((Topic::Loop, json(&self.loop_event(sources))));
        }
        due
    }

    /// Returns the turns since the last such event, and the connections.
    fn loop_event(
        &mut self,
        Sources {
            hub, cameras, now, ..
        }: Sources<'_>,
    ) -> LoopEvent {
        let names: Vec<&str> = cameras.iter().map(|camera| camera.name()).collect();
        let shown = hub.connections().iter().take(CONNECTIONS_SHOWN_MAX);
        LoopEvent {
            turns: self.turns.drain(..).collect(),
            turns_omitted: mem::take(&mut self.turns_omitted),
            connections_open: hub.connections().len(),
            connections: shown
                .map(|(_, connection)| ConnectionView::new(hub, connection, &names, now))
                .collect(),
        }
    }

    /// Records a turn for the next event: when it began, counted from the start of the loop, how
    /// long it took, and how many events it handled.
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

/// Serializes the data of an event. Numbers and text always serialize; a bug here would show as an
/// empty event.
fn json(data: &impl Serialize) -> Bytes {
    serde_json::to_vec(data).unwrap_or_default().into()
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

    /// Returns whether a period has ended, and starts the next one. The first period ends as soon
    /// as there is a subscriber.
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
