//! What is read again while the server runs: the certificate, users and tokens on SIGHUP, and the networks of the
//! interfaces when their addresses change.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use mio::{Interest, Registry, Waker};

use super::EventLoop;
use crate::server::background::{Background, Taken};
use crate::server::credentials::{Credentials, CredentialsError};
use crate::server::networks::{self, AddressChanges};
use crate::server::tls::Tls;
use crate::server::token::Owner;
use crate::site::auth::Authenticator;
use crate::stream::Network;

/// What is read in the background, besides the certificate.
#[derive(Debug)]
pub struct Reloads {
    credentials: Background<Result<Credentials, CredentialsError>>,
    networks: Background<io::Result<Vec<Network>>>,
    /// Reports of changed addresses, where the kernel gives any.
    addresses: Option<AddressChanges>,
}

impl Reloads {
    /// Registers for changes of addresses. Without them, as in a sandbox without netlink sockets, the networks stay
    /// what they are at the start.
    pub fn new(waker: &Arc<Waker>, registry: &Registry) -> Self {
        let addresses = AddressChanges::subscribe().and_then(|mut addresses| {
            registry.register(&mut addresses, Owner::Addresses.token(), Interest::READABLE)?;
            Ok(addresses)
        });
        Self {
            credentials: Background::new("credentials", Arc::clone(waker)),
            networks: Background::new("networks", Arc::clone(waker)),
            addresses: addresses
                .inspect_err(|error| log::debug!("changes of this machine's addresses are not reported: {error}"))
                .ok(),
        }
    }

    /// Addresses have come or gone: has the networks read.
    pub fn addresses_changed(&mut self) {
        if let Some(addresses) = &self.addresses {
            addresses.drain();
            self.read_networks();
        }
    }

    fn read_networks(&mut self) {
        if let Err(error) = self.networks.start(networks::own_networks) {
            log::warn!("the networks of this machine's interfaces cannot be read: {error}; the old ones count");
        }
    }
}

impl EventLoop {
    /// Has the certificate, the users and the token read again.
    pub(super) fn reload(&mut self) {
        self.tls.iter_mut().for_each(Tls::renew);
        let sources = self.settings.credentials.clone();
        if sources.has_files()
            && let Err(error) = self.reloads.credentials.start(move || sources.load())
        {
            log::warn!("users and tokens stay what they were: {error}");
        }
    }

    /// Takes what has been read in the background.
    pub(super) fn take_reloaded(&mut self, now: Instant) {
        self.tls.iter_mut().for_each(Tls::take_renewed);
        if let Some(Taken { value, is_stale }) = self.reloads.credentials.take() {
            match value {
                Some(Ok(credentials)) => self.take_credentials(credentials, now),
                Some(Err(error)) => log::warn!("users and tokens stay what they were: {error}"),
                None => log::warn!("users and tokens stay what they were: reading them was cut short"),
            }
            if is_stale {
                self.reload();
            }
        }
        if let Some(Taken { value, is_stale }) = self.reloads.networks.take() {
            value.into_iter().for_each(|networks| set_own_networks(&mut self.authenticator, networks));
            if is_stale {
                self.reloads.read_networks();
            }
        }
    }

    /// Replaces users and token, and ends what those that are gone have opened.
    fn take_credentials(&mut self, Credentials { accounts, secret }: Credentials, now: Instant) {
        if !self.authenticator.replace(accounts, secret) {
            log::info!("users and tokens were read again: they are the same");
            return;
        }
        let authenticator = &self.authenticator;
        self.hub.revoke(|permit| authenticator.is_valid(permit), now);
        log::info!("users and tokens were read again: what those that are gone had opened has ended");
    }
}

/// Takes the networks of the interfaces, and logs those that only their interface makes private.
pub(super) fn set_own_networks(authenticator: &mut Authenticator, networks: io::Result<Vec<Network>>) {
    match networks {
        Ok(networks) => {
            let added: Vec<String> = authenticator.set_own_networks(networks).iter().map(Network::to_string).collect();
            let policy = authenticator.policy();
            if !added.is_empty() && !policy.has_credentials() && !policy.is_public {
                log::info!(
                    "no credentials are set, so private addresses are served, and this machine's own networks: {}",
                    added.join(", ")
                );
            }
        }
        Err(error) => log::warn!("cannot read the networks of this machine's interfaces: {error}; the old ones count"),
    }
}
