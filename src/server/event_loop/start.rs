//! Everything that may fail or block, before the first turn.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use mio::{Interest, Poll, Waker};

use super::reload::{self, Reloads};
use super::{EventLoop, LoopStats};
use crate::hub::Hub;
use crate::logging::RateLimit;
use crate::server::camera::Camera;
use crate::server::handover;
use crate::server::interfaces;
use crate::server::listener::Listener;
use crate::server::networks;
use crate::server::passwords::Passwords;
use crate::server::publisher::Publisher;
use crate::server::settings::{ListenAddress, Settings};
use crate::server::signals::Signals;
use crate::server::stats_ticker::StatsTicker;
use crate::server::supervisor::Supervisor;
use crate::server::tls::{CertificateError, Tls};
use crate::server::token::Owner;
use crate::server::{local_name, own_names};
use crate::site::auth::{Authenticator, Policy};
use crate::wire::multipart::Division;

/// Bytes read from a pipe at once.
const SCRATCH_BYTES: usize = 256 * 1024;

/// Why a server did not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be listened on.
    #[error("cannot listen on {}: {error}; {}", spell(address), advice(address, error))]
    Listen {
        /// What was given.
        address: ListenAddress,
        /// What the system said.
        error: io::Error,
    },
    /// What was passed on to be listened on cannot be.
    #[error("cannot listen on what was passed on by LISTEN_FDS: {0}; pass on listening TCP or Unix stream sockets")]
    Inherited(io::Error),
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The kernel refused something without which there is no loop.
    #[error("cannot {what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What it said.
        error: io::Error,
    },
}

impl EventLoop {
    /// Makes everything that may fail or block: after this, the loop only moves bytes. Drivers are started as
    /// `program capture SOURCE`. Sockets that were passed on are listened on instead of the addresses in the settings.
    ///
    /// # Errors
    /// A certificate cannot be used, an address is taken or unknown, what was passed on is no listening socket, or the
    /// kernel is out of something.
    pub fn new(settings: Settings, program: PathBuf) -> Result<Self, ServeError> {
        let poll = Poll::new().map_err(system("make an epoll instance"))?;
        let mut signals = Signals::take_over().map_err(system("take over signals"))?;
        let register = "register for events";
        let readable = Interest::READABLE;
        poll.registry().register(&mut signals, Owner::Signals.token(), readable).map_err(system(register))?;

        let waker = Waker::new(poll.registry(), Owner::Background.token()).map_err(system("make a waker"))?;
        let waker = Arc::new(waker);
        let tls = settings.tls.as_ref().map(|files| Tls::new(files.clone(), Arc::clone(&waker))).transpose()?;
        if tls.is_some() || settings.credentials.has_files() {
            signals.take_over_reload().map_err(system("take over signals"))?;
        }
        let reloads = Reloads::new(&waker, poll.registry());

        let mut listeners = listen(&settings)?;
        for (index, listener) in listeners.iter_mut().enumerate() {
            poll.registry().register(listener, Owner::Listener(index).token(), readable).map_err(system(register))?;
        }

        let now = Instant::now();
        let linger = settings.camera_linger;
        let cameras = settings.cameras.iter().cloned().enumerate();
        let cameras: Vec<Camera> = cameras
            .map(|(index, camera)| Camera::new(camera, index, program.clone(), settings.offline.clone(), linger))
            .collect();
        let publishers = settings.publishers.iter().cloned().enumerate();
        let publishers = publishers
            .map(|(index, publisher)| {
                Publisher::new(publisher.clone(), cameras[publisher.camera].name(), index, program.clone(), now)
            })
            .collect();
        let part_fields = settings.access.origins.part_fields();
        let division = Division { boundary: &settings.boundary, fields: &part_fields };
        Ok(Self {
            poll,
            signals,
            supervisor: Supervisor::of_environment(),
            listeners,
            tls,
            hub: Hub::new(cameras.len(), division, settings.limits.clone()),
            authenticator: authenticator(&settings)?,
            reloads,
            refusal_log: RateLimit::default(),
            passwords: Passwords::new(program.clone()),
            cameras,
            publishers,
            settings,
            stats: LoopStats::new(now),
            stats_ticker: StatsTicker::default(),
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            program,
            successor: None,
            children_swept: None,
            accept_retry: None,
            going_down: None,
        })
    }

    /// The addresses it listens on, as a browser takes them.
    pub fn addresses(&self) -> impl Iterator<Item = String> + '_ {
        self.listeners.iter().map(Listener::to_string)
    }

    /// Sentences about how other devices reach it, and whether they need credentials; none if they cannot reach it.
    pub fn reach(&self) -> Vec<String> {
        let interfaces = interfaces::addresses().unwrap_or_else(|error| {
            log::warn!("cannot list the network interfaces: {error}");
            Vec::new()
        });
        let name = local_name();
        let urls: Vec<String> = self
            .listeners
            .iter()
            .filter_map(|listener| {
                Some((if listener.is_encrypted() { "https" } else { "http" }, listener.local_address()?))
            })
            .flat_map(|(scheme, bound)| interfaces::urls(scheme, bound, &interfaces, name.as_deref()))
            .collect();
        if urls.is_empty() {
            return Vec::new();
        }
        let access = &self.settings.access;
        let credentials = match (access.has_accounts(), access.secret.is_some()) {
            (false, false) => "no user, password or token is asked for; --auth-file or --token-file changes that",
            (true, false) => "a user and password are asked for",
            (false, true) => "a token is asked for",
            (true, true) => "a user and password, or a token, are asked for",
        };
        vec![format!("other devices: {}", urls.join(" ")), credentials.to_owned()]
    }
}

/// The authenticator of this server, with a random key.
fn authenticator(settings: &Settings) -> Result<Authenticator, ServeError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(io::Error::from).map_err(system("draw a random key"))?;
    let mut policy: Policy = settings.access.clone();
    policy.hosts.extend(own_names());
    let cameras = settings.cameras.iter().map(|camera| camera.name.clone()).collect();
    let mut authenticator = Authenticator::new(policy, cameras, &key);
    reload::set_own_networks(&mut authenticator, networks::own_networks());
    Ok(authenticator)
}

/// The sockets that were passed on, else those of the settings.
fn listen(settings: &Settings) -> Result<Vec<Listener>, ServeError> {
    let inherited = handover::inherited().map_err(ServeError::Inherited)?;
    if settings.tls.is_none() && inherited.iter().any(Listener::is_encrypted) {
        let missing = "one is called https, but there is neither --tls-cert nor --tls-key";
        return Err(ServeError::Inherited(io::Error::other(missing)));
    }
    if !inherited.is_empty() {
        return Ok(inherited);
    }
    let bind =
        |address| Listener::bind(address).map_err(|error| ServeError::Listen { address: address.clone(), error });
    let bound: Vec<Vec<Listener>> = settings.listen.iter().map(bind).collect::<Result<_, _>>()?;
    Ok(bound.into_iter().flatten().collect())
}

/// What to do about an address that cannot be listened on.
fn advice(address: &ListenAddress, error: &io::Error) -> &'static str {
    match (address, error.kind()) {
        (ListenAddress::Unix(_), ErrorKind::AddrInUse) => "remove what stands there, or choose another with --listen",
        (ListenAddress::Unix(_), _) => "choose a path with --listen whose folder is there and may be written to",
        (_, ErrorKind::AddrInUse) => "end the program that has it, or choose another with --listen",
        (_, ErrorKind::AddrNotAvailable) => {
            "choose one of this machine's own with --listen, or 0.0.0.0 or [::] for all of them"
        }
        (_, ErrorKind::PermissionDenied) => "choose a port from 1024 up with --listen: those below are the system's",
        _ => "choose another with --listen",
    }
}

fn spell(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Inet(address) => address.clone(),
        ListenAddress::Https(address) => format!("https://{address}"),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// Says what was tried when the kernel refused it.
pub(super) fn system(what: &'static str) -> impl Fn(io::Error) -> ServeError {
    move |error| ServeError::System { what, error }
}
