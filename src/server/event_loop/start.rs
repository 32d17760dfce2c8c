//! The code that may fail or block, before the first turn.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mio::{Poll, Waker};

use super::{EventLoop, LoopStats};
use crate::hub::Hub;
use crate::server::camera::Camera;
use crate::server::error::ServeError;
use crate::server::interfaces::{self, local_name, own_names};
use crate::server::listener::{Listener, Listeners};
use crate::server::networks;
use crate::server::passwords::Passwords;
use crate::server::publisher::Publisher;
use crate::server::reloads::{self, Reloads};
use crate::server::restart::{self, NewProcess};
use crate::server::settings::{CameraSettings, PublisherSettings, Settings};
use crate::server::signals::Signals;
use crate::server::stats_ticker::StatsTicker;
use crate::server::systemd::Systemd;
use crate::server::tls::Tls;
use crate::server::token::Owner;
use crate::site::auth::{Authenticator, Policy};
use crate::stream::log_limit::LogLimit;
use crate::wire::multipart::PartFormat;

/// The size of the buffer that pipes are read into.
const SCRATCH_BYTES: usize = 256 * 1024;

impl EventLoop {
    /// Opens the sockets and registers all sources. A restart starts `program`. Inherited sockets
    /// replace the addresses in the settings.
    ///
    /// # Errors
    /// A certificate is invalid, an address cannot be bound, an inherited descriptor is not a
    /// listening socket, or a system call fails.
    pub fn new(settings: Settings, program: &Path) -> Result<Self, ServeError> {
        let poll = Poll::new().map_err(ServeError::system("create an epoll instance"))?;
        let registry = poll.registry();
        let mut signals = Signals::install().map_err(ServeError::system("handle signals"))?;
        signals
            .register(registry, Owner::Signals.token())
            .map_err(ServeError::system("register signals"))?;

        let waker = Waker::new(registry, Owner::Background.token())
            .map_err(ServeError::system("create a waker"))?;
        let waker = Arc::new(waker);
        let tls = settings
            .tls
            .as_ref()
            .map(|files| Tls::new(files.clone(), Arc::clone(&waker)))
            .transpose()?;
        if tls.is_some() || settings.credentials.has_files() {
            signals
                .install_reload()
                .map_err(ServeError::system("handle signals"))?;
        }
        let reloads = Reloads::new(settings.credentials.clone(), &waker, registry);

        let listeners = Listeners::register(listen(&settings)?, settings.connections_max, registry);
        let listeners = listeners.map_err(ServeError::system("register listening sockets"))?;

        let now = Instant::now();
        let camera = |(index, camera): (usize, &CameraSettings)| {
            let (renderer, offline) = (settings.renderer.clone(), settings.offline.clone());
            Camera::new(
                index,
                camera.clone(),
                renderer,
                offline,
                settings.camera_linger,
            )
        };
        let cameras: Vec<Camera> = settings.cameras.iter().enumerate().map(camera).collect();
        let publisher = |(index, publisher): (usize, &PublisherSettings)| {
            Publisher::new(
                index,
                publisher.clone(),
                cameras[publisher.camera].name(),
                now,
            )
        };
        let part_fields = settings.access.origins.part_fields();
        let division = PartFormat {
            boundary: &settings.boundary,
            fields: &part_fields,
        };
        Ok(Self {
            signals,
            systemd: Systemd::from_environment(),
            listeners,
            tls,
            hub: Hub::new(cameras.len(), division, settings.limits.clone()),
            authenticator: authenticator(&settings)?,
            refusal_log: LogLimit::default(),
            reloads,
            publishers: settings
                .publishers
                .iter()
                .enumerate()
                .map(publisher)
                .collect(),
            cameras,
            passwords: Passwords::new(settings.password_check.clone()),
            new_process: NewProcess::new(program),
            children_swept: None,
            settings,
            stats: LoopStats::new(now),
            stats_ticker: StatsTicker::default(),
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            ending: None,
            poll,
        })
    }

    /// Returns the URLs of the listeners.
    pub fn addresses(&self) -> impl Iterator<Item = String> + '_ {
        self.listeners.all().iter().map(Listener::to_string)
    }

    /// Returns lines with the URLs for other devices and the credentials that they need; none if other
    /// devices cannot connect.
    pub fn reach(&self) -> Vec<String> {
        let interfaces = interfaces::addresses().unwrap_or_else(|error| {
            log::warn!("network interfaces: {error}; not showing the URLs for other devices");
            Vec::new()
        });
        let name = local_name();
        let scheme = |listener: &Listener| {
            if listener.is_encrypted() {
                "https"
            } else {
                "http"
            }
        };
        let listeners = self.listeners.all().iter();
        let urls: Vec<String> = listeners
            .filter_map(|listener| Some((scheme(listener), listener.local_address()?)))
            .flat_map(|(scheme, bound)| {
                interfaces::urls(scheme, bound, &interfaces, name.as_deref())
            })
            .collect();
        if urls.is_empty() {
            return Vec::new();
        }
        let access = &self.settings.access;
        let credentials = match (access.has_accounts(), access.secret.is_some()) {
            (false, false) => {
                "no credentials are required; set some with --auth-file or --token-file"
            }
            (true, false) => "user and password are required",
            (false, true) => "a token is required",
            (true, true) => "user and password, or a token, are required",
        };
        vec![
            format!("other devices: {}", urls.join(" ")),
            credentials.to_owned(),
        ]
    }
}

/// Creates the authenticator, with a random key.
fn authenticator(settings: &Settings) -> Result<Authenticator, ServeError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)
        .map_err(io::Error::from)
        .map_err(ServeError::system("create a random key"))?;
    let mut policy: Policy = settings.access.clone();
    policy.hosts.extend(own_names());
    let cameras = settings
        .cameras
        .iter()
        .map(|camera| camera.name.clone())
        .collect();
    let mut authenticator = Authenticator::new(policy, cameras, &key);
    reloads::set_own_networks(&mut authenticator, networks::own_networks());
    Ok(authenticator)
}

/// Returns the inherited sockets, or else opens those of the settings.
fn listen(settings: &Settings) -> Result<Vec<Listener>, ServeError> {
    let inherited = restart::inherited().map_err(ServeError::Inherited)?;
    if settings.tls.is_none() && inherited.iter().any(Listener::is_encrypted) {
        let missing = "a socket is named https, but --tls-cert and --tls-key are missing";
        return Err(ServeError::Inherited(io::Error::other(missing)));
    }
    if !inherited.is_empty() {
        return Ok(inherited);
    }
    let bind = |address| {
        Listener::bind(address).map_err(|error| ServeError::Listen {
            address: address.clone(),
            error,
        })
    };
    let bound: Vec<Vec<Listener>> = settings.listen.iter().map(bind).collect::<Result<_, _>>()?;
    Ok(bound.into_iter().flatten().collect())
}
