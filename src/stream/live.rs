//! What all connections share: the cameras' channels, the event log, limits and totals.

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

/// What connections are sent, and what bounds it.
#[derive(Debug)]
pub struct Live {
    /// One for each camera.
    pub channels: Vec<Channel>,
    /// The records of past frames, and the server's newest figures.
    pub event_log: EventLog,
    /// Past frames that slow viewers hold.
    pub retained: Retained,
    /// Over all connections, closed ones included.
    pub totals: Totals,
    /// Connections of each client network other than this machine.
    pub client_nets: ConnectionCounts,
    /// The limits of the hub.
    pub limits: Limits,
    /// The delimiter that ends a stream.
    pub closing: Bytes,
    boundary: String,
    part_fields: String,
}

impl Live {
    /// Nothing yet of `cameras` cameras, whose streams are divided in this way.
    pub fn new(cameras: usize, division: PartFormat<'_>, limits: Limits) -> Self {
        let channel = |_| Channel::new(limits.history_span, limits.history_bytes_max);
        Self {
            channels: (0..cameras).map(channel).collect(),
            event_log: EventLog::new(cameras),
            retained: Retained::default(),
            totals: Totals::default(),
            client_nets: ConnectionCounts::default(),
            closing: multipart::closing(division.boundary),
            boundary: division.boundary.to_owned(),
            part_fields: division.fields.to_owned(),
            limits,
        }
    }

    /// How streams are divided into parts.
    pub fn division(&self) -> PartFormat<'_> {
        PartFormat {
            boundary: &self.boundary,
            fields: &self.part_fields,
        }
    }

    /// Makes a picture the newest frame of `camera`, a live one or a placeholder.
    pub fn publish(&mut self, camera: usize, captured: &Captured<'_>, is_live: bool, now: Instant) {
        let division = PartFormat {
            boundary: &self.boundary,
            fields: &self.part_fields,
        };
        let frame =
            self.channels[camera].publish(division, captured, is_live, &mut self.retained, now);
        self.totals.published += 1;
        if is_live {
            self.event_log.append(camera, &frame);
        }
    }

    /// How many viewers all cameras have.
    pub fn viewers(&self) -> usize {
        self.channels.iter().map(|channel| channel.viewers).sum()
    }

    /// Drops the frames that are older than the histories reach. Returns whether there were any.
    pub fn outdate(&mut self, now: Instant) -> bool {
        let is_outdated =
            |channel: &&mut Channel| channel.history.ends_at().is_some_and(|end| end <= now);
        let outdated = self.channels.iter_mut().filter(is_outdated);
        outdated
            .map(|channel| channel.outdate(&mut self.retained, now))
            .count()
            > 0
    }

    /// When the next frame outlives its history.
    pub fn next_outdated(&self) -> Option<Instant> {
        self.channels
            .iter()
            .filter_map(|channel| channel.history.ends_at())
            .min()
    }
}
