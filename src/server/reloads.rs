//! What is read again while the server runs: users and tokens on SIGHUP, and the networks of the
//! interfaces when their addresses change.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use mio::{Registry, Waker};

use super::background::{Background, Taken};
use super::credentials::{CredentialSources, Credentials, CredentialsError};
use super::networks::{self, AddressChanges};
use super::socket::Socket;
use super::token::Owner;
use crate::hub::Hub;
use crate::site::auth::Authenticator;
use crate::stream::Network;

/// What is read in the background, besides the certificate.
#[derive(Debug)]
pub struct Reloads {
    sources: CredentialSources,
    credentials: Background<Result<Credentials, CredentialsError>>,
    networks: Background<io::Result<Vec<Network>>>,
    /// Reports of changed addresses, where the kernel gives any.
    addresses: Option<AddressChanges>,
}

impl Reloads {
    /// Registers for changes of addresses. Without them, as in a sandbox without netlink sockets,
    /// the networks stay what they are at the start.
    pub fn new(sources: CredentialSources, waker: &Arc<Waker>, registry: &Registry) -> Self {
        let addresses = AddressChanges::subscribe().and_then(|mut addresses| {
            addresses.register(registry, Owner::Addresses.token())?;
            Ok(addresses)
        });
        Self {
            sources,
            credentials: Background::new("credentials", Arc::clone(waker)),
            networks: Background::new("networks", Arc::clone(waker)),
            addresses: addresses
                .inspect_err(|error| log::debug!("netlink: {error}; networks are not updated"))
                .ok(),
        }
    }

    /// Reads users and tokens again, in the background.
    pub fn start(&mut self) {
        let sources = self.sources.clone();
        if sources.has_files()
            && let Err(error) = self.credentials.start(move || sources.load())
        {
            log::warn!("cannot reload users and tokens: {error}; keeping the old ones");
        }
    }

    /// Reads the networks again, in the background: addresses have come or gone.
    pub fn addresses_changed(&mut self) {
        if let Some(addresses) = &self.addresses {
            addresses.drain();
            self.read_networks();
        }
    }

    fn read_networks(&mut self) {
        if let Err(error) = self.networks.start(networks::own_networks) {
            log::warn!("cannot read the networks of the interfaces: {error}; keeping the old ones");
        }
    }

    /// Puts what has been read into effect.
    pub fn take(&mut self, authenticator: &mut Authenticator, hub: &mut Hub<Socket>, now: Instant) {
        if let Some(Taken { value, is_stale }) = self.credentials.take() {
            match value {
                Some(Ok(credentials)) => replace_credentials(credentials, authenticator, hub, now),
                Some(Err(error)) => {
                    log::warn!("cannot reload users and tokens: {error}; keeping the old ones")
                }
                None => log::warn!(
                    "cannot reload users and tokens: reading was cut short; keeping the old ones"
                ),
            }
            if is_stale {
                self.start();
            }
        }
        if let Some(Taken { value, is_stale }) = self.networks.take() {
            value
                .into_iter()
                .for_each(|networks| set_own_networks(authenticator, networks));
            if is_stale {
                self.read_networks();
            }
        }
    }
}

/// Replaces users and token, and closes what the removed ones have opened.
fn replace_credentials(
    Credentials { accounts, secret }: Credentials,
    authenticator: &mut Authenticator,
    hub: &mut Hub<Socket>,
    now: Instant,
) {
    if !authenticator.replace(accounts, secret) {
        log::info!("reloaded users and tokens: unchanged");
        return;
    }
    hub.revoke(|permit| authenticator.is_valid(permit), now);
    log::info!("reloaded users and tokens; streams of the removed ones are closed");
}

/// Sets the networks of the interfaces, and logs those that count as private only because of their
/// interface.
pub(super) fn set_own_networks(
    authenticator: &mut Authenticator,
    networks: io::Result<Vec<Network>>,
) {
    match networks {
        Ok(networks) => {
            let added: Vec<String> = authenticator
                .set_own_networks(networks)
                .iter()
                .map(Network::to_string)
                .collect();
            let policy = authenticator.policy();
            if !added.is_empty() && !policy.has_credentials() && !policy.is_public {
                log::info!(
                    "no credentials are set: serving private addresses and this machine's own networks {}",
                    added.join(", ")
                );
            }
        }
        Err(error) => {
            log::warn!("cannot read the networks of the interfaces: {error}; keeping the old ones")
        }
    }
}
