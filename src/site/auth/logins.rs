//! Logins that succeeded before. A client network with one is not locked out by the failures of
//! others behind the same address, or by the pages of other sites.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::digest::Digest;
use crate::stream::ClientNet;

/// A network counts as logged in for this long after its last request with right credentials.
const REMEMBERED_FOR: Duration = Duration::from_secs(30 * 86_400);

/// Networks that are remembered. Past it the one that was used longest ago is dropped.
const NETWORKS_MAX: usize = 4096;

/// Credentials remembered of one network, likewise.
const CREDENTIALS_MAX: usize = 8;

/// The client networks from which right credentials have come.
#[derive(Debug, Default)]
pub struct Logins {
    networks: BTreeMap<ClientNet, Login>,
}

#[derive(Debug)]
struct Login {
    used_at: Instant,
    /// The least recently used first.
    credentials: Vec<Digest>,
}

impl Logins {
    /// Remembers that right credentials, of which this is the digest, have come from a network.
    pub fn remember(&mut self, client_net: ClientNet, credential: Digest, now: Instant) {
        if !self.networks.contains_key(&client_net) {
            self.make_room(now);
        }
        let login = self.networks.entry(client_net).or_insert(Login {
            used_at: now,
            credentials: Vec::new(),
        });
        login.used_at = now;
        login.credentials.retain(|known| *known != credential);
        if login.credentials.len() == CREDENTIALS_MAX {
            login.credentials.remove(0);
        }
        login.credentials.push(credential);
    }

    /// Whether right credentials have come from a network.
    pub fn knows(&self, client_net: ClientNet, now: Instant) -> bool {
        self.get(client_net, now).is_some()
    }

    /// Whether these credentials have come from it and were right.
    pub fn has(&self, client_net: ClientNet, credential: &Digest, now: Instant) -> bool {
        self.get(client_net, now)
            .is_some_and(|login| login.credentials.contains(credential))
    }

    /// Drops all: the credentials have changed.
    pub fn clear(&mut self) {
        self.networks.clear();
    }

    fn get(&self, client_net: ClientNet, now: Instant) -> Option<&Login> {
        self.networks
            .get(&client_net)
            .filter(|login| now < login.used_at + REMEMBERED_FOR)
    }

    fn make_room(&mut self, now: Instant) {
        if self.networks.len() < NETWORKS_MAX {
            return;
        }
        self.networks
            .retain(|_, login| now < login.used_at + REMEMBERED_FOR);
        if self.networks.len() >= NETWORKS_MAX {
            let oldest = self
                .networks
                .iter()
                .min_by_key(|(_, login)| login.used_at)
                .map(|(&network, _)| network);
            oldest.and_then(|oldest| self.networks.remove(&oldest));
        }
    }
}
