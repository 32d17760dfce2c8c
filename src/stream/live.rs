//! The state that all connections share: the cameras' channels, the event log, limits and totals.

use std::time::Instant;

use bytes::Bytes;

use super::channel::Channel;
use super::client_net::ConnectionCounts;
use super::counts::Totals;
use super::event_log::EventLog;
use super::frame::Captured;
use super::limits::Limits;
use super::retained::Retained;
use crate::wire::multipart::{self, PartFormat};

/// The state that all connections share.
#[derive(Debug)]
pub struct Live {
    /// One channel for each camera.
    pub channels: Vec<Channel>,
    /// The records of past frames, and the server's newest statistics.
    pub event_log: EventLog,
    /// Old frames that slow viewers hold.
    pub retained: Retained,
    /// The totals over all connections, with closed ones.
    pub totals: Totals,
    /// Connections of each client network other than this machine.
    pub client_nets: ConnectionCounts,
    /// The limits of the hub.
    pub limits: Limits,
    /// The delimiter that ends a stream.
    pub closing: Bytes,
    /// New replies are the last ones of their connections, and streams end at once.
    pub is_shutting_down: bool,
    boundary: String,
    part_fields: String,
}

impl Live {
    /// Creates the state for this number of cameras. `part_format` separates the parts of their
    /// streams.
    pub fn new(cameras: usize, part_format: PartFormat<'_>, limits: Limits) -> Self {
        let channel = |_| Channel::new(limits.history_span, limits.history_bytes_max);
        Self {
            channels: (0..cameras).map(channel).collect(),
            event_log: EventLog::new(cameras),
            retained: Retained::default(),
            totals: Totals::default(),
            client_nets: ConnectionCounts::default(),
            closing: multipart::closing(part_format.boundary),
            is_shutting_down: false,
            boundary: part_format.boundary.to_owned(),
            part_fields: part_format.fields.to_owned(),
            limits,
        }
    }

    /// Returns the delimiter of parts, and the fields of their headers.
    pub fn part_format(&self) -> PartFormat<'_> {
        PartFormat {
            boundary: &self.boundary,
            fields: &self.part_fields,
        }
    }

    /// Makes a picture the newest frame of `camera`, live or a placeholder.
    pub fn publish(&mut self, camera: usize, captured: &Captured<'_>, is_live: bool, now: Instant) {
        let part_format = PartFormat {
            boundary: &self.boundary,
            fields: &self.part_fields,
        };
        let frame =
            self.channels[camera].publish(part_format, captured, is_live, &mut self.retained, now);
        self.totals.published += 1;
        if is_live {
            self.event_log.append(camera, &frame);
        }
    }

    /// Returns the number of viewers of all cameras.
    pub fn viewers(&self) -> usize {
        self.channels.iter().map(|channel| channel.viewers).sum()
    }

    /// Empties each history whose newest frame is too old. Returns whether there was any.
    pub fn outdate(&mut self, now: Instant) -> bool {
        let is_outdated =
            |channel: &&mut Channel| channel.history.ends_at().is_some_and(|end| end <= now);
        let outdated = self.channels.iter_mut().filter(is_outdated);
        outdated
            .map(|channel| channel.outdate(&mut self.retained, now))
            .count()
            > 0
    }

    /// Returns when [`Live::outdate`] has the next history to empty, if no frames come.
    pub fn next_outdated(&self) -> Option<Instant> {
        self.channels
            .iter()
            .filter_map(|channel| channel.history.ends_at())
            .min()
    }
}
