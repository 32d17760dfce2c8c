//! What the server says of itself to whoever listens: its figures each second, the turns of its loop ten times a
//! second. While nobody listens, nothing is made and nothing is noted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::socket::Socket;
use crate::hub::connection::{Body, Connection, State};
use crate::hub::{Hub, Purpose, Topic};
use crate::site::lanes::{InFlight, Kind, LANES_MAX, Lane, Lanes, Turn};
use crate::stream::metrics::Totals;

/// A viewer of figures wants them as often as that.
const STATE_PERIOD: Duration = Duration::from_secs(1);

/// A picture of the loop moves when it changes as often as that.
const LOOP_PERIOD: Duration = Duration::from_millis(100);

/// Turns that are remembered until they are told of. A busy loop has a few hundred in a tenth of a second; of more, the
/// last are as good as any.
const TURNS_MAX: usize = 256;

/// When which news is due, and what has been noted for it.
#[derive(Debug)]
pub struct Bulletin {
    state: Ticker,
    lanes: Ticker,
    turns: VecDeque<Turn>,
    turns_left_out: u64,
    /// The totals at the end of the last turn.
    before: Totals,
}

impl Default for Bulletin {
    fn default() -> Self {
        Self {
            state: Ticker::new(STATE_PERIOD),
            lanes: Ticker::new(LOOP_PERIOD),
            turns: VecDeque::new(),
            turns_left_out: 0,
            before: Totals::default(),
        }
    }
}

impl Bulletin {
    /// When the next news is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        [self.state.next, self.lanes.next].into_iter().flatten().min()
    }

    /// Whether the server's figures are to be told now.
    pub fn is_state_due(&mut self, hub: &Hub<Socket>, now: Instant) -> bool {
        self.state.is_due(hub.journal().is_followed(Topic::State), now)
    }

    /// What the loop has done since the last time, if that is to be told now.
    pub fn lanes(&mut self, hub: &Hub<Socket>, now: Instant) -> Option<Lanes> {
        let is_first = self.lanes.next.is_none();
        if !self.lanes.is_due(hub.journal().is_followed(Topic::Loop), now) {
            return None;
        }
        if is_first {
            self.turns.clear();
            self.before = *hub.totals();
        }
        Some(Lanes {
            turns: self.turns.drain(..).collect(),
            turns_left_out: std::mem::take(&mut self.turns_left_out),
            open: hub.len(),
            lanes: hub.connections().take(LANES_MAX).map(|connection| lane(hub, connection, now)).collect(),
        })
    }

    /// Notes a turn that is over: it began so long after the loop did, took so long, and handled so many events.
    pub fn turned(&mut self, hub: &Hub<Socket>, began: Duration, took: Duration, events: usize) {
        if self.lanes.next.is_none() {
            return;
        }
        let totals = hub.totals();
        if self.turns.len() == TURNS_MAX {
            self.turns.pop_front();
            self.turns_left_out += 1;
        }
        self.turns.push_back(Turn(
            began.as_micros() as u64,
            took.as_micros() as u64,
            events as u64,
            totals.bytes_read - self.before.bytes_read,
            totals.bytes_written - self.before.bytes_written,
            totals.published - self.before.published,
        ));
        self.before = *totals;
    }
}

fn lane(hub: &Hub<Socket>, connection: &Connection<Socket>, now: Instant) -> Lane {
    let queue = &connection.queue;
    let (viewer, kind) = match &connection.state {
        State::Sending(Body::Frames(viewer)) => (Some(viewer), Kind::Viewer),
        State::Sending(Body::Made(reader)) => (
            None,
            match reader.purpose {
                Purpose::Table => Kind::Table,
                Purpose::Events => Kind::Events,
                Purpose::Clip => Kind::Request,
            },
        ),
        _ => (None, Kind::Request),
    };
    let in_flight = queue.in_flight().map(|(frame, bytes_left)| InFlight {
        sequence: frame.sequence,
        bytes: frame.bytes,
        bytes_left,
    });
    let counts = viewer.map(|viewer| hub.counts(viewer, now)).unwrap_or_default();
    Lane {
        number: connection.number,
        peer: connection.client.to_string(),
        key: viewer.map_or(String::new(), |viewer| viewer.label.to_string()),
        kind,
        readable: connection.readable,
        writable: connection.writable,
        queued_bytes: queue.bytes_queued(),
        in_flight,
        waiting: viewer.and_then(|viewer| hub.waiting(viewer, now)),
        would_blocks: connection.would_blocks,
        delivered: counts.delivered + counts.repeated,
        skipped_slow: counts.skipped_slow,
        skipped_rate: counts.skipped_rate,
        bytes_sent: connection.bytes_sent,
    }
}

/// Something that is due again and again, for as long as it is wanted.
#[derive(Debug)]
struct Ticker {
    period: Duration,
    next: Option<Instant>,
}

impl Ticker {
    fn new(period: Duration) -> Self {
        Self { period, next: None }
    }

    /// Whether it is due now; then it is due next when the period has passed. What becomes wanted is due at once.
    fn is_due(&mut self, is_wanted: bool, now: Instant) -> bool {
        let is_due = is_wanted && self.next.is_none_or(|next| now >= next);
        if is_due {
            self.next = Some(now + self.period);
        } else if !is_wanted {
            self.next = None;
        }
        is_due
    }
}
