//! Successful logins per client network. They keep a network from being locked out by failed logins
//! of other clients behind the same address, or by requests that another site's page caused.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::digest::Digest;
use crate::hub::ClientNet;

/// A login is remembered for this long after its last use.
const REMEMBERED_FOR: Duration = Duration::from_secs(30 * 86_400);

/// Limit of remembered networks. Beyond it, the least recently used one is dropped.
const NETWORKS_MAX: usize = 4096;

/// Limit of remembered credentials per network, likewise.
const CREDENTIALS_MAX: usize = 8;

/// The client networks that sent valid credentials.
#[derive(Debug, Default)]
pub struct Logins {
    networks: BTreeMap<ClientNet, Login>,
}

#[derive(Debug)]
struct Login {
    used_at: Instant,
    /// Their digests, the least recently used first.
    credentials: Vec<Digest>,
}

impl Logins {
    /// Remembers that a network sent the valid credential with this digest.
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

    /// Returns whether a network sent any valid credential.
    pub fn contains(&self, client_net: ClientNet, now: Instant) -> bool {
        self.get(client_net, now).is_some()
    }

    /// Returns whether a network sent this credential, and it was valid.
    pub fn has(&self, client_net: ClientNet, credential: &Digest, now: Instant) -> bool {
        self.get(client_net, now)
            .is_some_and(|login| login.credentials.contains(credential))
    }

    /// Forgets all logins, after the credentials have changed.
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
