//! Reloads: users and token on SIGHUP, and the networks of the interfaces when their addresses
//! change.

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
use crate::hub::Network;
use crate::site::auth::Authenticator;

/// The values that are read in the background, apart from the certificate.
#[derive(Debug)]
pub struct Reloads {
    sources: CredentialSources,
    credentials: Background<Result<Credentials, CredentialsError>>,
    networks: Background<io::Result<Vec<Network>>>,
    /// Reports changed addresses; `None` if the kernel does not.
    addresses: Option<AddressChanges>,
}

impl Reloads {
    /// Registers for changes of addresses. If that fails, as in a sandbox without netlink sockets,
    /// the networks are those at the start.
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

    /// Starts to read users and token.
    pub fn start(&mut self) {
        let sources = self.sources.clone();
        if sources.has_files()
            && let Err(error) = self.credentials.start(move || sources.load())
        {
            log::warn!("reload: users and token: {error}; keeping the old ones");
        }
    }

    /// Called on an event of the netlink socket: starts to read the networks.
    pub fn addresses_changed(&mut self) {
        if let Some(addresses) = &self.addresses {
            addresses.drain();
            self.read_networks();
        }
    }

    fn read_networks(&mut self) {
        if let Err(error) = self.networks.start(networks::own_networks) {
            log::warn!("network interfaces: {error}; keeping the old networks");
        }
    }

    /// Applies the values that were read.
    pub fn take(&mut self, authenticator: &mut Authenticator, hub: &mut Hub<Socket>, now: Instant) {
        if let Some(Taken { value, is_stale }) = self.credentials.take() {
            match value {
                Some(Ok(credentials)) => replace_credentials(credentials, authenticator, hub, now),
                Some(Err(error)) => {
                    log::warn!("reload: users and token: {error}; keeping the old ones")
                }
                None => {
                    log::warn!("reload: users and token: the thread panicked; keeping the old ones")
                }
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

/// Replaces users and token, and ends the streams of those that were removed.
fn replace_credentials(
    Credentials { accounts, secret }: Credentials,
    authenticator: &mut Authenticator,
    hub: &mut Hub<Socket>,
    now: Instant,
) {
    if !authenticator.replace(accounts, secret) {
        log::info!("reload: users and token are unchanged");
        return;
    }
    hub.revoke(|permit| authenticator.is_valid(permit), now);
    log::info!("reload: users and token replaced; streams of removed ones end");
}

/// Sets the networks of the interfaces. Logs those that are private only because an interface is in
/// them.
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
                    "no credentials are set: serving private addresses and the networks of this machine, {}",
                    added.join(", ")
                );
            }
        }
        Err(error) => {
            log::warn!("network interfaces: {error}; keeping the old networks")
        }
    }
}
