//! The steps of the cameras' histories, and of those who watch the past.
//!
//! A history bounds its own bytes. A frame that leaves it counts among the pinned ones from then on, as any past frame
//! does, for as long as somebody is still being sent it.

use std::time::{Duration, Instant};

use super::Hub;
use super::feed::{Feed, Replay};
use super::steps::Cause;
use crate::stream::connection::Transport;
use crate::stream::frame::Frame;
use crate::stream::history::History;
use crate::stream::limits::Limits;

impl<T: Transport> Hub<T> {
    /// What is kept of the frames of `camera`.
    pub fn history(&self, camera: usize) -> &History {
        &self.feeds[camera].history
    }

    /// Keeps the newest frame of `camera`, which is shown already, and lets go of what is outdated by it.
    pub(super) fn keep(&mut self, camera: usize, frame: &Frame, is_live: bool, now: Instant) {
        self.feeds[camera].history.push(frame, is_live);
        self.outdate(camera, now);
        self.bound_pinned();
    }

    /// Shows those who watch the past the frames that are due, and lets go of those that are older than it reaches.
    pub(super) fn replay(&mut self, now: Instant) {
        let mut has_changed = self.end_replays();
        for (place, Replay { camera, delay, mut shown }) in self.replays().collect::<Vec<_>>() {
            while let Some(next) = self.feeds[camera].history.next_after(shown) {
                if next.published_at + delay > now {
                    break;
                }
                shown = next.sequence;
                let next = next.clone();
                self.show_again(place, &next, now);
                has_changed = true;
            }
        }
        for camera in 0..self.feeds.len() {
            has_changed |= self.outdate(camera, now);
        }
        if has_changed {
            self.bound_pinned();
        }
    }

    /// Lets go of what the bounds of a history do not allow to be kept. A frame that leaves because there are too many
    /// bytes is shown to those who watch the past before its time: there will be no other.
    fn outdate(&mut self, camera: usize, now: Instant) -> bool {
        let mut has_changed = false;
        while let Some(frame) = self.feeds[camera].history.pop_outdated(now) {
            for (place, _) in self.replays().filter(|(_, replay)| replay.camera == camera).collect::<Vec<_>>() {
                self.show_again(place, &frame, now);
            }
            self.let_go(camera, [Some(frame), None]);
            has_changed = true;
        }
        has_changed
    }

    /// Shows a frame to those who watch the past at one feed, unless they have seen it.
    fn show_again(&mut self, place: usize, frame: &Frame, now: Instant) {
        let Some(replay) = self.feeds[place].replay.as_mut().filter(|replay| replay.shown < frame.sequence) else {
            return;
        };
        replay.shown = frame.sequence;
        let camera = replay.camera;
        let replaced = self.fan_out(place, frame.clone(), Cause::Owed, now);
        self.let_go(camera, [replaced, None]);
    }

    /// The feed for those who want frames of `camera` so late: the camera's own for no delay, one that others watch, or
    /// one that nobody does any more, else a new one.
    pub(super) fn feed_for(&mut self, camera: usize, delay: Duration, now: Instant) -> usize {
        if delay.is_zero() {
            return camera;
        }
        let same = self.replays().find(|(_, replay)| (replay.camera, replay.delay) == (camera, delay));
        if let Some((place, _)) = same {
            return place;
        }
        let is_free = |feed: &Feed| {
            feed.replay.is_some() && feed.channel.subscribers().len() == 0 && feed.channel.latest().is_none()
        };
        let place = self.feeds.iter().position(is_free).unwrap_or_else(|| {
            self.feeds.push(Feed::new(&Limits { history_span: Duration::ZERO, ..self.limits.clone() }));
            self.feeds.len() - 1
        });
        let first = now.checked_sub(delay).and_then(|time| self.feeds[camera].history.newest_at(time)).cloned();
        let shown = first.as_ref().map_or(0, |frame| frame.sequence);
        self.feeds[place].replay = Some(Replay { camera, delay, shown });
        first.and_then(|frame| self.feeds[place].channel.publish(frame));
        place
    }

    /// Lets go of what a replay shows that nobody watches any more.
    fn end_replays(&mut self) -> bool {
        let mut has_changed = false;
        let is_over = |feed: &Feed| feed.channel.subscribers().len() == 0 && feed.channel.latest().is_some();
        for place in 0..self.feeds.len() {
            let feed = &mut self.feeds[place];
            if let Some(replay) = feed.replay.filter(|_| is_over(feed)) {
                let shown = feed.channel.retract();
                self.let_go(replay.camera, [shown, None]);
                has_changed = true;
            }
        }
        has_changed
    }

    /// Whether a frame of `camera` is in memory without any viewer's doing: as its newest, as one of its history, or as
    /// what a replay shows.
    pub(super) fn is_kept(&self, camera: usize, sequence: u64) -> bool {
        let is_it = |frame: Option<&Frame>| frame.is_some_and(|frame| frame.sequence == sequence);
        let feed = &self.feeds[camera];
        is_it(feed.live.as_ref())
            || feed.history.holds(sequence)
            || self.feeds_of(camera).any(|feed| is_it(feed.channel.latest()))
    }

    /// The feed of `camera` itself, and those that replay it.
    pub(super) fn feeds_of(&self, camera: usize) -> impl Iterator<Item = &Feed> {
        let replays = move |feed: &&Feed| feed.replay.is_some_and(|replay| replay.camera == camera);
        [&self.feeds[camera]].into_iter().chain(self.feeds.iter().filter(replays))
    }

    /// The replays that somebody watches, with their places among the feeds.
    fn replays(&self) -> impl Iterator<Item = (usize, Replay)> + '_ {
        let feeds = self.feeds.iter().enumerate().filter(|(_, feed)| feed.channel.subscribers().len() > 0);
        feeds.filter_map(|(place, feed)| Some((place, feed.replay?)))
    }

    /// When a frame is to be shown again, or the last frame of a history whose camera gives no more leaves it.
    pub(super) fn past_deadline(&self) -> Option<Instant> {
        let ends = self.feeds.iter().filter_map(|feed| feed.history.ends_at());
        let due = |(_, replay): (usize, Replay)| {
            let next = self.feeds[replay.camera].history.next_after(replay.shown)?;
            Some(next.published_at + replay.delay)
        };
        ends.chain(self.replays().filter_map(due)).min()
    }
}
