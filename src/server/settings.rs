//! The settings of a server, as plain values.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::credentials::CredentialSources;
use crate::hub::Limits;
use crate::site::auth::Policy;
use crate::wire::secret::SecretAddress;
use crate::wire::source::Part;

/// All settings of a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; at least one.
    pub listen: Vec<ListenAddress>,
    /// What encrypted listeners show their clients.
    pub tls: Option<TlsFiles>,
    /// What to show; at least one, each name once.
    pub cameras: Vec<CameraSettings>,
    /// Where cameras are published.
    pub publishers: Vec<PublisherSettings>,
    /// Draws the placeholder of a camera, given its name, the reason, the time and the size.
    pub renderer: DriverSpec,
    /// Checks a password, which it reads with the hash.
    pub password_check: DriverSpec,
    /// Whether cameras run without viewers too.
    pub always_on: bool,
    /// What viewers are shown while a camera gives nothing.
    pub offline: Offline,
    /// A camera is stopped this long after its last viewer has left.
    pub camera_linger: Duration,
    /// The age up to which a frame will do for a snapshot that asks for no other; the newest does,
    /// whatever its age, if there is none.
    pub snapshot_max_age: Option<Duration>,
    /// The word that divides the parts of a stream.
    pub boundary: String,
    /// Connections of any kind at one time. More wait in the kernel's backlog until one has closed.
    pub connections_max: usize,
    /// After SIGTERM, this long is left to replies and streams to come to their end.
    pub shutdown_timeout: Duration,
    /// Access control, with the credentials as they were at the start.
    pub access: Policy,
    /// Where the credentials are read again.
    pub credentials: CredentialSources,
    /// What one peer may take of our time and memory.
    pub limits: Limits,
}

/// How a child process is started, and what the server expects of it.
#[derive(Clone, Debug, Default)]
pub struct DriverSpec {
    /// The program.
    pub program: PathBuf,
    /// Its arguments. Every user of the machine can read them, so they hold no credentials.
    pub args: Vec<OsString>,
    /// Variables of its environment, which only the same user can read.
    pub env: Vec<(&'static str, SecretAddress)>,
    /// The source or target that it connects to, as the user wrote it. It is displayed with
    /// credentials masked, and they are masked in what the process logs.
    pub shown_as: SecretAddress,
    /// What its standard input is, where the server does not write to it.
    pub stdin: StdinFrom,
    /// The longest time without a frame in normal operation; `None` for no limit.
    pub frame_timeout: Option<Duration>,
    /// Whether the driver itself reconnects to a silent source: killing it would not help.
    pub recovers: bool,
    /// The time from one start to the next of a driver that writes one picture and exits with
    /// status 0; `None` if the driver is not to exit.
    pub repeat_interval: Option<Duration>,
    /// The prefix of a stderr line that reports success.
    pub success_prefix: Option<&'static str>,
}

/// What the standard input of a child process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StdinFrom {
    /// Empty.
    #[default]
    Null,
    /// The server's own.
    Server,
}

/// One camera: what it is called, and where its frames come from.
#[derive(Clone, Debug)]
pub struct CameraSettings {
    /// What `camera=NAME` asks for.
    pub name: String,
    /// The process that writes its frames.
    pub driver: DriverSpec,
    /// The largest frame accepted from it, in bytes.
    pub frame_bytes_max: usize,
    /// What is passed over before its first snapshot.
    pub warm_up: WarmUp,
}

/// What of a camera that has just been started is passed over before a snapshot is taken: a sensor
/// needs some pictures to find its exposure, white balance and focus. Streams show them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmUp {
    /// So many frames.
    Frames(u32),
    /// The frames of this time after the first one.
    Time(Duration),
}

/// The files behind encrypted listeners, both in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and then those that vouch for it.
    pub certificate: String,
    /// The private key of the first.
    pub key: String,
}

/// One place where a camera is published.
#[derive(Clone, Debug)]
pub struct PublisherSettings {
    /// Which camera, from 0.
    pub camera: usize,
    /// The process that is sent its frames.
    pub process: DriverSpec,
}

/// What viewers are shown while a camera gives nothing.
#[derive(Clone, Debug)]
pub enum Offline {
    /// A picture that says so: which camera, why, and since when.
    Draw,
    /// Its last frame.
    Last,
    /// This picture.
    Picture(Part),
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// `HOST:PORT`; the host may be a name, `[::]` takes both families, and port 0 lets the kernel
    /// choose one.
    Inet(String),
    /// The same, encrypted.
    Https(String),
    /// A Unix socket at this path.
    Unix(PathBuf),
}
