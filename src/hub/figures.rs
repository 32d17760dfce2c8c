//! What can be seen of the hub from outside. Nothing here changes anything.

use std::time::Instant;

use super::Hub;
use super::feed::Feed;
use crate::hub::connection::{Body, Connection, State, Transport};
use crate::hub::journal::{Journal, Topic};
use crate::hub::key::Key;
use crate::hub::limits::Limits;
use crate::hub::producer::Purpose;
use crate::hub::viewer::Viewer;
use crate::stream::frame::Frame;
use crate::stream::histogram::Histogram;
use crate::stream::history::History;
use crate::stream::metrics::{FrameCounts, Totals};
use crate::wire::multipart::Division;

impl<T: Transport> Hub<T> {
    /// Whether there is no connection left.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Connections in any state.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// The newest frame that `camera` itself has given.
    pub fn frame(&self, camera: usize) -> Option<&Frame> {
        self.feeds[camera].live.as_ref()
    }

    /// Frames a second that `camera` publishes.
    pub fn frame_rate(&self, camera: usize, now: Instant) -> f32 {
        self.feeds[camera].rate.per_second(now)
    }

    /// Frames of `camera` that were shown, those that stood in for live ones included.
    pub fn frames_published(&self, camera: usize) -> u64 {
        self.feeds[camera].published
    }

    /// Numbers that `camera` stated and that were not taken, because they jump.
    pub fn sequences_ignored(&self, camera: usize) -> u64 {
        self.feeds[camera].numbering.ignored()
    }

    /// The sequence of the newest frame for a viewer, if it has not begun to leave.
    pub fn waiting(&self, viewer: &Viewer, now: Instant) -> Option<u64> {
        let (newest, _) = self.feeds[viewer.camera].newest(viewer.delay, now);
        newest.filter(|frame| viewer.is_new(frame)).map(|frame| frame.sequence)
    }

    /// What has become of the frames of a viewer's camera since it came.
    pub fn counts(&self, viewer: &Viewer, now: Instant) -> FrameCounts {
        viewer.counts(self.feeds[viewer.camera].newest_number(viewer.delay, now))
    }

    /// What became of the frames of `camera`, over its viewers now and those that are closed.
    pub fn frame_counts_of(&self, camera: usize, now: Instant) -> FrameCounts {
        let mut counts = self.feeds[camera].departed;
        self.viewers_at(&self.feeds[camera]).for_each(|(_, _, viewer)| counts.add(&self.counts(viewer, now)));
        counts
    }

    /// What is kept of the frames of `camera`.
    pub fn history(&self, camera: usize) -> &History {
        &self.feeds[camera].history
    }

    /// How old the frames of `camera` were when they were published.
    pub fn capture_to_publish(&self, camera: usize) -> &Histogram {
        &self.feeds[camera].capture_to_publish
    }

    /// How old the frames of `camera` were when the transport took their last byte: one count for each viewer a frame
    /// was delivered to. Left out are the frame that greets a newcomer and those held back by the rate a viewer asked
    /// for, whose age is none of our doing, and repeats.
    pub fn capture_to_last_byte(&self, camera: usize) -> &Histogram {
        &self.feeds[camera].capture_to_last_byte
    }

    /// How many viewers `camera` has.
    pub fn viewers_of(&self, camera: usize) -> usize {
        self.feeds[camera].channel.subscribers().len()
    }

    /// How many viewers there are of all cameras.
    pub fn viewers_len(&self) -> usize {
        self.feeds.iter().map(|feed| feed.channel.subscribers().len()).sum()
    }

    /// Whether anybody watches `camera`, waits for a frame of it, or reads of each.
    pub fn is_wanted(&self, camera: usize) -> bool {
        self.viewers_of(camera) > 0
            || !self.feeds[camera].waiting.is_empty()
            || self.journal.is_followed(Topic::Frames { camera })
    }

    /// What is known of the past, and of the server itself.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// How many are sent such a body while it is made.
    pub fn readers_of(&self, purpose: Purpose) -> usize {
        let reads = |state: &State| matches!(state, State::Sending(Body::Made(reader)) if reader.purpose == purpose);
        self.connections().filter(|connection| reads(&connection.state)).count()
    }

    /// Bytes of frames that are no longer the newest, as far as slow viewers held them at the last look.
    pub fn pinned_bytes(&self) -> usize {
        self.pinned.bytes()
    }

    /// Every connection that is not over, in the order of their slots.
    pub fn connections(&self) -> impl Iterator<Item = &Connection<T>> {
        let all = self.connections.iter().map(|(_, connection)| connection);
        all.filter(|connection| !matches!(connection.state, State::Closed))
    }

    /// Every viewer with its connection, camera by camera.
    pub fn viewers(&self) -> impl Iterator<Item = (Key, &Connection<T>, &Viewer)> {
        self.feeds.iter().flat_map(|feed| self.viewers_at(feed))
    }

    fn viewers_at<'a>(&'a self, feed: &'a Feed) -> impl Iterator<Item = (Key, &'a Connection<T>, &'a Viewer)> {
        feed.channel.subscribers().filter_map(|key| {
            let connection = self.connections.get(key.slot as usize)?;
            Some((key, connection, connection.viewer()?))
        })
    }

    /// What became of all published frames, over the viewers that are here and those that have gone.
    pub fn frame_counts(&self, now: Instant) -> FrameCounts {
        let mut counts = self.departed();
        self.viewers().for_each(|(_, _, viewer)| counts.add(&self.counts(viewer, now)));
        counts
    }

    /// What became of all published frames, over the viewers that have gone.
    pub fn departed(&self) -> FrameCounts {
        let mut counts = FrameCounts::default();
        self.feeds.iter().for_each(|feed| counts.add(&feed.departed));
        counts
    }

    /// What all connections together came to.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// How its streams are divided.
    pub fn division(&self) -> Division<'_> {
        Division { boundary: &self.boundary, fields: &self.part_fields }
    }

    /// The bounds it was made with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}
