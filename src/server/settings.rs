//! The settings of a server, as plain values.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::credentials::CredentialSources;
use crate::hub::Limits;
use crate::site::auth::Policy;
use crate::text::secret::SecretAddress;
use crate::wire::part::Part;

/// All settings of a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The addresses to listen on; at least one.
    pub listen: Vec<ListenAddress>,
    /// The certificate and key of encrypted listeners.
    pub tls: Option<TlsFiles>,
    /// At least one camera, with distinct names.
    pub cameras: Vec<CameraSettings>,
    /// The targets to which cameras are published.
    pub publishers: Vec<PublisherSettings>,
    /// The program that draws the placeholder of a camera, given its name, the reason, the time and
    /// the size.
    pub renderer: DriverSpec,
    /// The program that checks a password against a hash; it reads both from stdin.
    pub password_check: DriverSpec,
    /// Whether cameras run without viewers too.
    pub always_on: bool,
    /// The picture that viewers get while a camera is offline.
    pub offline: Offline,
    /// The time between the last viewer's leaving and the stop of the driver.
    pub camera_linger: Duration,
    /// The maximum age of a frame that answers a snapshot, unless the request has its own; `None`:
    /// no limit.
    pub snapshot_max_age: Option<Duration>,
    /// The boundary between the parts of a stream (RFC 2046, section 5.1).
    pub boundary: String,
    /// The maximum number of open connections of any kind. Further ones wait in the backlog.
    pub connections_max: usize,
    /// The maximum duration of a graceful shutdown.
    pub shutdown_timeout: Duration,
    /// Access control, with the credentials read at the start.
    pub access: Policy,
    /// The files of the credentials, to reload them.
    pub credentials: CredentialSources,
    /// The limits on a peer's use of time and memory.
    pub limits: Limits,
}

/// How a child process is started, and what the server expects of it.
#[derive(Clone, Debug, Default)]
pub struct DriverSpec {
    /// The program.
    pub program: PathBuf,
    /// Its arguments, without credentials: every user of the machine can read them.
    pub args: Vec<OsString>,
    /// Environment variables, which only the same user can read.
    pub env: Vec<(&'static str, SecretAddress)>,
    /// The source or target that it connects to, as the user wrote it. Its credentials are masked
    /// when it is displayed, and in the stderr of the process.
    pub shown_as: SecretAddress,
    /// Its stdin, unless the server writes to that.
    pub stdin: StdinFrom,
    /// The time without a frame after which it counts as offline; `None`: no limit.
    pub frame_timeout: Option<Duration>,
    /// Whether it recovers by itself when its source is silent. Such a driver is not killed.
    pub recovers: bool,
    /// The time between two starts of a driver that writes one picture and exits with status 0.
    pub repeat_interval: Option<Duration>,
    /// The prefix of the stderr line by which it reports that it works.
    pub success_prefix: Option<&'static str>,
}

/// The stdin of a child process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StdinFrom {
    /// /dev/null.
    #[default]
    Null,
    /// The server's stdin.
    Server,
}

/// One camera.
#[derive(Clone, Debug)]
pub struct CameraSettings {
    /// The name, as in `camera=NAME`.
    pub name: String,
    /// The program that writes its frames.
    pub driver: DriverSpec,
    /// The maximum size of a frame, in bytes.
    pub frame_bytes_max: usize,
    /// The frames that are not used for a snapshot after a start.
    pub warm_up: WarmUp,
}

/// The frames after the start of a driver that are not used for a snapshot: a sensor needs some
/// pictures to find exposure, white balance and focus. Streams show all frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmUp {
    /// This number of frames.
    Frames(u32),
    /// The frames within this time after the first one.
    Time(Duration),
}

/// The certificate and key of encrypted listeners, in PEM format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The path of the certificate chain: the server's certificate, then the intermediates.
    pub certificate: String,
    /// The path of the private key.
    pub key: String,
}

/// One target to which a camera is published.
#[derive(Clone, Debug)]
pub struct PublisherSettings {
    /// The index of the camera.
    pub camera: usize,
    /// The program that reads the frames from stdin.
    pub process: DriverSpec,
}

/// The picture that viewers get while a camera is offline.
#[derive(Clone, Debug)]
pub enum Offline {
    /// A drawn placeholder with the camera's name, the reason and the time.
    Draw,
    /// The camera's last frame.
    Last,
    /// This picture.
    Picture(Part),
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// `HOST:PORT`. The host may be a name; `[::]` is IPv4 as well as IPv6; with port 0, the kernel
    /// chooses the port.
    Inet(String),
    /// `HOST:PORT`, with TLS.
    Https(String),
    /// The path of a Unix socket.
    Unix(PathBuf),
}
