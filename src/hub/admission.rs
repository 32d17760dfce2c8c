//! Connections per client network: counted when one is admitted, or when a proxy names its client, and until it closes.

use std::collections::btree_map::Entry;
use std::time::Instant;

use super::Hub;
use super::steps::lookup;
use crate::hub::connection::Transport;
use crate::hub::key::Key;
use crate::stream::client_net::ClientNet;
use crate::stream::peer::Peer;
use crate::wire::http::{Refusal, Status};

/// The response to a peer whose client network has too many connections.
const TOO_MANY: Refusal = Refusal {
    status: Status::TooManyRequests,
    reason: "Too many connections from your address; close some, or raise --connections-per-address.",
};

impl<T: Transport> Hub<T> {
    /// Counts a connection for `client`, which has sent a request through it, perhaps by way of a trusted proxy.
    /// Returns whether the request is to be answered: one connection too many of a client network is answered 429 here.
    pub(super) fn attribute(&mut self, key: Key, client: Peer, now: Instant) -> bool {
        let Some(connection) = lookup(&mut self.connections, key) else { return false };
        if connection.client == client {
            return true;
        }
        connection.client = client;
        let counted = connection.counted.take();
        self.release(counted);
        self.count(key, client, now)
    }

    /// Counts a new connection. Those of this machine are not counted, since a proxy may run there, and those of
    /// trusted proxies only once they name a client.
    pub(super) fn count_new(&mut self, key: Key, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        let peer = connection.peer;
        if !self.limits.trusted_proxies.contains(peer) {
            self.count(key, peer, now);
        }
    }

    /// Returns whether the network of `client` has no connection too many.
    fn count(&mut self, key: Key, client: Peer, now: Instant) -> bool {
        let Some(connection) = lookup(&mut self.connections, key) else { return false };
        let client_net = ClientNet::of(client);
        if client_net.is_here() {
            return true;
        }
        connection.counted = Some(client_net);
        let count = self.connections_per_client.entry(client_net).or_default();
        *count += 1;
        if *count <= self.limits.connections_per_client_max {
            return true;
        }
        if self.refusal_log.admit("refused connections", now) {
            log::info!("{client}: {} ({})", TOO_MANY.status.code(), "too many connections from its network");
        }
        self.refuse(key, &TOO_MANY, now);
        false
    }

    /// Counts a connection no longer.
    pub(super) fn release(&mut self, counted: Option<ClientNet>) {
        let Some(client_net) = counted else { return };
        if let Entry::Occupied(mut count) = self.connections_per_client.entry(client_net) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
