//! The end of what a credential opened: at its expiry, or when it is revoked.

use std::time::Instant;

use super::Hub;
use super::steps::lookup;
use crate::hub::answer::Permit;
use crate::hub::connection::{Body, State, Transport};
use crate::hub::key::Key;
use crate::stream::metrics::CloseReason;

impl<T: Transport> Hub<T> {
    /// Ends what was opened with permits that are no longer valid.
    pub fn revoke(&mut self, is_valid: impl Fn(&Permit) -> bool, now: Instant) {
        for key in self.keys_where(|connection| !is_valid(&connection.permit)) {
            self.end_permitted(key, now);
        }
    }

    /// Ends what a connection is sent: a stream and a body without end where they may end; a clip at once, since it
    /// must not seem complete. A request that waits is handed out again, to be authorized again.
    pub(super) fn end_permitted(&mut self, key: Key, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        let end: fn(&mut Self, Key, Instant) = match &connection.state {
            State::Waiting { .. } => return self.ask_now(key, now),
            State::Sending(Body::Frames(_)) => Self::end_stream,
            State::Sending(Body::Made(reader)) if reader.is_endless => Self::end_body,
            State::Sending(Body::Made(_)) => |hub, key, now| hub.close(key, now, CloseReason::Expired),
            // What has begun to be answered is short, and what follows is authorized again.
            _ => return,
        };
        log::debug!("#{} {}: its credential has expired or was revoked", key.number, connection.client);
        self.totals.expired += 1;
        end(self, key, now);
    }
}
