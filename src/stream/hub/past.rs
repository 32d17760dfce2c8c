//! The steps of the cameras' histories.
//!
//! A history bounds its own bytes. A frame that leaves it counts among the pinned ones from then on, as any past frame
//! does, for as long as somebody is still being sent it.

use std::time::Instant;

use super::Hub;
use crate::stream::connection::Transport;
use crate::stream::frame::Frame;
use crate::stream::history::History;

impl<T: Transport> Hub<T> {
    /// What is kept of the frames of `camera`.
    pub fn history(&self, camera: usize) -> &History {
        &self.feeds[camera].history
    }

    /// Keeps the newest live frame of `camera`, which is shown already, and lets go of what is outdated by it.
    pub(super) fn keep(&mut self, camera: usize, frame: &Frame, now: Instant) {
        self.feeds[camera].history.push(frame);
        self.outdate_one(camera, now);
    }

    /// Lets go of frames that are older than a history reaches.
    pub(super) fn outdate(&mut self, now: Instant) {
        (0..self.feeds.len()).for_each(|camera| self.outdate_one(camera, now));
    }

    fn outdate_one(&mut self, camera: usize, now: Instant) {
        let mut has_left = false;
        while let Some(frame) = self.feeds[camera].history.pop_outdated(now) {
            self.let_go(camera, [Some(frame), None]);
            has_left = true;
        }
        if has_left {
            self.bound_pinned();
        }
    }

    /// When the last frame of a history whose camera gives no more leaves it.
    pub(super) fn histories_end_at(&self) -> Option<Instant> {
        self.feeds.iter().filter_map(|feed| feed.history.ends_at()).min()
    }
}
