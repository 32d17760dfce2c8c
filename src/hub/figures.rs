//! What can be read of the hub from outside. Statistics are made of it in `site::snapshot`.

use super::Hub;
use super::connection::{Connection, State, Transport};
use super::feed::Feed;
use super::journal::{Journal, Topic};
use super::key::Key;
use super::limits::Limits;
use crate::stream::metrics::Totals;
use crate::wire::multipart::Division;

impl<T: Transport> Hub<T> {
    /// Returns the connections that are not closed, in the order of their slots.
    pub fn connections(&self) -> impl Iterator<Item = (Key, &Connection<T>)> {
        let open = self.connections.iter().filter(|(_, connection)| !matches!(connection.state, State::Closed));
        open.map(|(slot, connection)| (Key { slot: slot as u32, number: connection.number }, connection))
    }

    /// Returns how many connections there are, those included that were closed in this turn.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Returns the cameras' channels.
    pub fn channels(&self) -> &[Feed] {
        &self.feeds
    }

    /// Returns how many viewers all cameras have.
    pub fn viewers_len(&self) -> usize {
        self.feeds.iter().map(Feed::viewers_len).sum()
    }

    /// Returns whether `camera` has a viewer, a request that waits for its frame, or a subscriber to its events.
    pub fn is_wanted(&self, camera: usize) -> bool {
        let feed = &self.feeds[camera];
        feed.viewers_len() > 0 || !feed.waiting.is_empty() || self.journal.is_followed(Topic::Frames { camera })
    }

    /// Returns the records of past frames, and the newest statistics.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Returns the bytes of past frames that slow viewers held when that was last looked at.
    pub fn pinned_bytes(&self) -> usize {
        self.pinned.bytes()
    }

    /// Returns the totals over all connections, closed ones included.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Returns how streams are divided into parts.
    pub fn division(&self) -> Division<'_> {
        Division { boundary: &self.boundary, fields: &self.part_fields }
    }

    /// Returns the limits that it was made with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}
