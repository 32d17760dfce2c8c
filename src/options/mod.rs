//! The command line, and the `FRAMECAST_*` variables that stand in for it: read once and checked
//! into plain values.

mod access;
mod cameras;
mod given;
mod health;
mod history;
mod listen;
mod mistakes;
mod programs;
mod values;

use std::path::Path;
use std::time::Duration;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use log::LevelFilter;
use rustix::process::Pid;

use self::access::Access;
pub use self::access::{AccessError, Sign};
pub use self::cameras::check_sources;
use self::given::{Each, List, One};
pub use self::health::Health;
use self::history::History;
use self::listen::{Listen, settle};
use self::values::{
    age, boundary, count, frame_mebibytes, mebibytes, offline, pixels, process, secret, switch,
    text, time, warm_up,
};
use crate::bench;
use crate::drivers::SOURCE_VARIABLE;
use crate::drivers::SourceError;
use crate::drivers::hints::SOURCES;
use crate::generate::File;
use crate::hub::Limits;
use crate::publish::TARGET_VARIABLE;
use crate::server::{Offline, Settings, TlsFiles, WarmUp};
use crate::wire::secret::SecretAddress;

/// Shows live cameras to any number of browsers, from one thread.
///
/// Without a command it serves: by default an emulated camera, on http://127.0.0.1:8080/.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Options {
    /// What to do; without one, serve
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Serving without saying so
    #[command(flatten)]
    pub serve: Serve,
    /// How much to say
    #[command(flatten)]
    pub verbosity: Verbosity,
    /// Print a file that goes with the program when it is installed, and do nothing else: man,
    /// bash, zsh, fish, systemd, dockerfile or grafana
    #[arg(long, value_name = "FILE", hide_possible_values = true)]
    pub generate: Option<File>,
}

impl Options {
    /// Parses the command line and the `FRAMECAST_*` variables.
    ///
    /// # Errors
    /// They cannot be followed, or ask for help.
    pub fn of_process() -> Result<Self, clap::Error> {
        let command = Self::command();
        let parsed = mistakes::without_blank_variables(command.clone()).try_get_matches();
        let matches = parsed.map_err(mistakes::explain)?;
        let options =
            Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command.clone()))?;
        if options.command.is_none() {
            mistakes::check_words(&options.serve, &command)?;
        }
        Ok(options)
    }

    /// A warning for each `FRAMECAST_*` variable that no option has.
    pub fn unknown_variables() -> Vec<String> {
        mistakes::unknown_variables(&Self::command())
    }
}

/// What framecast can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show cameras to browsers and players
    Serve(Box<Serve>),
    /// Be a camera: write frames to standard output, as the server's drivers do
    Capture(Capture),
    /// Pass frames from standard input on to Redis, for any number of machines
    Publish(Publish),
    /// Draw the picture of a camera that is offline and write it to standard output, as the server
    /// has it done
    #[command(hide = true)]
    DrawOffline(DrawOffline),
    /// Print a token that opens one camera for a while
    Token(Sign),
    /// Read a hash and a password from standard input, and tell by the exit code whether they fit
    #[command(hide = true)]
    CheckPassword,
    /// List the cameras of this machine with their formats, sizes and rates
    Cameras,
    /// Ask a running server whether all is well; the exit status tells
    Health(Health),
    /// Watch a stream as a crowd of viewers, and tell what it cost and who was starved
    Bench(bench::Args),
}

/// How much goes to the log.
#[derive(Clone, Copy, Debug, Args)]
pub struct Verbosity {
    /// Log more; twice for everything. RUST_LOG overrides it
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Log less; twice for errors only
    #[arg(short, long, global = true, action = ArgAction::Count)]
    quiet: u8,
}

/// The options of `framecast capture`.
#[derive(Debug, Args)]
#[command(after_help = format!("Sources:\n  {}", SOURCES.join("\n  ")))]
pub struct Capture {
    /// Where the frames come from; from the variable, no list of processes shows a password in it
    #[arg(env = SOURCE_VARIABLE, hide_env_values = true, value_parser = One(secret))]
    pub source: SecretAddress,
    /// The bound of a frame.
    #[command(flatten)]
    pub frame_max: FrameMax,
    /// The server that this is a driver of: it must end with it
    #[arg(long, hide = true, value_name = "PID", value_parser = process)]
    pub server: Option<Pid>,
    /// The name that the server has for it, which makes it known in a list of processes
    #[arg(long, hide = true, value_name = "NAME", allow_hyphen_values = true)]
    pub camera: Option<String>,
}

/// The bound of a frame, which a server hands to its drivers and publishers.
#[derive(Debug, Args)]
pub struct FrameMax {
    /// The largest frame accepted, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 8, value_parser = frame_mebibytes)]
    frame_max_mib: u32,
}

impl FrameMax {
    /// The bound in bytes.
    pub fn bytes(&self) -> usize {
        self.frame_max_mib as usize * 1024 * 1024
    }
}

/// The options of `framecast publish`.
#[derive(Debug, Args)]
pub struct Publish {
    /// Where to: redis://USER:PASSWORD@HOST:PORT/CHANNEL for all who subscribe, or
    /// redis+list://HOST:PORT/KEY?max=100 for a pool of workers; from the variable, no list of
    /// processes shows a password in it
    #[arg(value_name = "URL", env = TARGET_VARIABLE, hide_env_values = true, value_parser = One(secret))]
    pub target: SecretAddress,
    /// The bound of a frame.
    #[command(flatten)]
    pub frame_max: FrameMax,
    /// The server whose frames these are: it must end with it
    #[arg(long, hide = true, value_name = "PID", value_parser = process)]
    pub server: Option<Pid>,
}

/// The options of `framecast draw-offline`.
#[derive(Debug, Args)]
pub struct DrawOffline {
    /// What the camera is called
    #[arg(long, allow_hyphen_values = true)]
    pub name: String,
    /// Why it is offline, in a sentence
    #[arg(long, allow_hyphen_values = true)]
    pub reason: String,
    /// Since when, in seconds since 1970
    #[arg(long, value_name = "SECONDS")]
    pub since: u64,
    /// The size of the picture, in pixels
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = pixels, default_value = "640x480")]
    pub size: (u16, u16),
}

/// The options of `framecast serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// What to show, as with --camera
    #[arg(value_name = "[NAME=]SOURCE", value_parser = Each(secret, None))]
    source: Vec<List<SecretAddress>>,

    /// Where to listen: HOST:PORT, [::]:PORT or unix:PATH, with https:// or http:// before a host;
    /// without either it is https:// if there is a certificate. Port 0 lets the system choose. May
    /// be given several times
    #[arg(long, short, value_name = "ADDRESS", env = "FRAMECAST_LISTEN")]
    #[arg(default_value = "127.0.0.1:8080", value_parser = Each(listen::parse, Some(',')))]
    listen: Vec<List<Listen>>,

    /// The certificate for https://, in PEM form: the server's own first, then those that vouch for
    /// it. SIGHUP has it and its key read again
    #[arg(long, value_name = "FILE", env = "FRAMECAST_TLS_CERT", requires = "tls_key", value_parser = One(text))]
    tls_cert: Option<String>,

    /// The private key of the certificate, in PEM form and without a password
    #[arg(long, value_name = "FILE", env = "FRAMECAST_TLS_KEY", requires = "tls_cert", value_parser = One(text))]
    tls_key: Option<String>,

    /// What to show: /dev/video0, rpicam:, an http:// or https:// address, redis://HOST/CHANNEL,
    /// exec:COMMAND, - for standard input, stills:DIR or pattern:1280x720?fps=30; with a name
    /// before it if wanted. May be given several times; in the variable, one on a line [default:
    /// three numbered pictures]
    #[arg(long, short, value_name = "[NAME=]SOURCE", env = "FRAMECAST_CAMERA")]
    #[arg(hide_env_values = true, value_parser = Each(secret, None))]
    camera: Vec<List<SecretAddress>>,

    /// Publish a camera in Redis, by default the first one: redis://HOST/CHANNEL or
    /// redis+list://HOST/KEY?max=100. It then runs even while nobody watches. May be given several
    /// times; in the variable, one on a line
    #[arg(long, value_name = "[CAMERA=]URL", env = "FRAMECAST_PUBLISH")]
    #[arg(hide_env_values = true, value_parser = Each(secret, None))]
    publish: Vec<List<SecretAddress>>,

    /// Run the cameras even while nobody watches
    #[arg(long, env = "FRAMECAST_ALWAYS_ON", value_name = "BOOL", value_parser = One(switch), action = ArgAction::Set)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false)]
    #[arg(hide_default_value = true)]
    always_on: bool,

    /// What viewers are shown while a camera gives nothing: draw (a picture that says so), last
    /// (its last frame), or the path of a JPEG
    #[arg(
        long,
        value_name = "draw|last|FILE",
        env = "FRAMECAST_OFFLINE",
        default_value = "draw"
    )]
    #[arg(value_parser = One(offline))]
    offline: Offline,

    /// Pass over this much of a camera that has just been started before its first snapshot: a time
    /// such as 500ms, or a number of frames [default: 500ms for cameras of this machine, which are
    /// dark at first; nothing for others]
    #[arg(long, value_name = "TIME|FRAMES", env = "FRAMECAST_WARM_UP", value_parser = One(warm_up))]
    warm_up: Option<WarmUp>,

    /// Answer a snapshot with a frame of this age at most, or else with the next one; 0s for one
    /// that is captured after the request. max_age=MS in its address overrides it [default: the
    /// newest frame, whatever its age]
    #[arg(long, value_name = "TIME", env = "FRAMECAST_SNAPSHOT_MAX_AGE", value_parser = One(age))]
    snapshot_max_age: Option<Duration>,

    /// Stop a camera this long after its last viewer has left
    #[arg(long, value_name = "TIME", env = "FRAMECAST_CAMERA_LINGER")]
    #[arg(value_parser = One(time), default_value = "10s")]
    camera_linger: Duration,

    /// The word that divides the parts of a stream; some relays insist on boundarydonotcross
    #[arg(long, value_name = "TEXT", env = "FRAMECAST_BOUNDARY", value_parser = One(boundary), default_value = "frame")]
    boundary: String,

    /// Viewers at one time; one more is told to come back later
    #[arg(
        long,
        value_name = "N",
        env = "FRAMECAST_VIEWERS_MAX",
        default_value_t = 20_000
    )]
    #[arg(value_parser = One(count), allow_negative_numbers = true)]
    viewers_max: u32,

    /// Connections of any kind at one time; further ones wait until one has closed
    #[arg(
        long,
        value_name = "N",
        env = "FRAMECAST_CONNECTIONS_MAX",
        default_value_t = 32_000
    )]
    #[arg(value_parser = One(count), allow_negative_numbers = true)]
    connections_max: u32,

    /// A whole request head must be in after this long
    #[arg(long, value_name = "TIME", env = "FRAMECAST_REQUEST_TIMEOUT")]
    #[arg(value_parser = One(time), default_value = "10s")]
    request_timeout: Duration,

    /// A kept connection may be silent for this long between two requests
    #[arg(long, value_name = "TIME", env = "FRAMECAST_IDLE_TIMEOUT", value_parser = One(time), default_value = "15s")]
    idle_timeout: Duration,

    /// A viewer whose network takes no byte for this long is let go
    #[arg(long, value_name = "TIME", env = "FRAMECAST_STALL_TIMEOUT")]
    #[arg(value_parser = One(time), default_value = "30s")]
    stall_timeout: Duration,

    /// A viewer that needs longer than this for one frame is let go
    #[arg(long, value_name = "TIME", env = "FRAMECAST_FRAME_TIMEOUT", value_parser = One(time), default_value = "60s")]
    frame_timeout: Duration,

    /// A viewer that was given nothing for this long is given the newest frame again
    #[arg(long, value_name = "TIME", env = "FRAMECAST_REPEAT_AFTER", value_parser = One(time), default_value = "2s")]
    repeat_after: Duration,

    /// The largest frame accepted from a camera, in MiB
    #[arg(
        long,
        value_name = "MIB",
        env = "FRAMECAST_FRAME_MAX_MIB",
        default_value_t = 8
    )]
    #[arg(value_parser = One(frame_mebibytes), allow_negative_numbers = true)]
    frame_max_mib: u32,

    /// Past frames that slow viewers may hold in memory, all together, in MiB
    #[arg(
        long,
        value_name = "MIB",
        env = "FRAMECAST_RETAINED_MAX_MIB",
        default_value_t = 64
    )]
    #[arg(value_parser = One(mebibytes), allow_negative_numbers = true)]
    retained_max_mib: u32,

    #[command(flatten)]
    history: History,

    /// After SIGTERM or Ctrl-C, streams and replies are given this long to come to an end
    #[arg(long, value_name = "TIME", env = "FRAMECAST_SHUTDOWN_TIMEOUT")]
    #[arg(value_parser = One(time), default_value = "3s")]
    shutdown_timeout: Duration,

    /// Who may see the cameras
    #[command(flatten)]
    access: Access,
}

/// Options that each make sense, but not together, and credentials that cannot be had. A camera's
/// address is not repeated here as it was given: there may be a password in it.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// A source that is none.
    #[error("{place}: {error}")]
    Source {
        /// The option or variable that holds it.
        place: String,
        /// What is wrong with it.
        error: SourceError,
    },
    /// A name that no camera may have.
    #[error("{place}: {fault}")]
    Name {
        /// The option or variable that holds it.
        place: String,
        /// What a name is.
        fault: String,
    },
    /// A place to publish at that is none.
    #[error("{place}: {error}")]
    Target {
        /// The option or variable that holds it.
        place: String,
        /// What is wrong with it.
        error: SourceError,
    },
    /// A camera to be published that is not there.
    #[error("{place}: there is no camera called '{name}'; the cameras are {known}")]
    NoCamera {
        /// The option or variable that holds it.
        place: String,
        /// The name that was given.
        name: String,
        /// Those that could have been.
        known: String,
    },
    /// Credentials.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Two cameras of one name.
    #[error(
        "{place}: two cameras are called '{name}'; give one of them another name, as in NAME=SOURCE"
    )]
    CameraTwice {
        /// The option or variable that holds the second.
        place: String,
        /// Their name.
        name: String,
    },
    /// Two cameras that read standard input.
    #[error(
        "two cameras read standard input, which can be had only once; give only one --camera -"
    )]
    StdinTwice,
    /// An encrypted listener without a certificate.
    #[error(
        "https://{0} needs a certificate: give its file with --tls-cert, and that of its key with --tls-key"
    )]
    NoCertificate(String),
    /// A certificate without an encrypted listener.
    #[error(
        "--tls-cert is given, but no address to listen on is encrypted: add --listen https://HOST:PORT"
    )]
    CertificateUnused,
}

impl Serve {
    /// The sources that are given as arguments.
    fn words(&self) -> impl Iterator<Item = &str> {
        self.source
            .iter()
            .flat_map(List::iter)
            .map(|given| given.value.expose())
    }

    /// The options as settings of a server, whose child processes run `program`, framecast itself.
    ///
    /// # Errors
    /// A camera cannot be had, or two not together; a certificate is missing, or not used; or a
    /// file of credentials cannot be followed.
    pub fn settings(self, program: &Path) -> Result<Settings, OptionsError> {
        let files = self.tls_cert.zip(self.tls_key);
        let tls = files.map(|(certificate, key)| TlsFiles { certificate, key });
        let listen = settle(List::values(self.listen), tls.is_some())?;
        let connections_per_address = self.access.connections_per_address;
        let (access, credentials) = self.access.policy()?;
        let limits = Limits {
            trusted_proxies: access.trusted_proxies.clone(),
            request_timeout: self.request_timeout,
            idle_timeout: self.idle_timeout,
            stall_timeout: self.stall_timeout,
            frame_timeout: self.frame_timeout,
            repeat_after: self.repeat_after,
            connections_per_client_max: connections_per_address as usize,
            viewers_max: self.viewers_max as usize,
            retained_bytes_max: self.retained_max_mib as usize * 1024 * 1024,
            history_span: self.history.span,
            history_bytes_max: self.history.bytes_max(),
            ..Limits::default()
        };
        let frame_bytes_max = self.frame_max_mib as usize * 1024 * 1024;
        let (arguments, options) = (List::concat(self.source), List::concat(self.camera));
        let cameras = cameras::read(program, arguments, options, frame_bytes_max, self.warm_up)?;
        Ok(Settings {
            listen,
            tls,
            publishers: cameras::read_publishers(program, List::concat(self.publish), &cameras)?,
            cameras,
            renderer: programs::renderer(program),
            password_check: programs::password_check(program),
            always_on: self.always_on,
            offline: self.offline,
            camera_linger: self.camera_linger,
            snapshot_max_age: self.snapshot_max_age,
            boundary: self.boundary,
            connections_max: self.connections_max as usize,
            shutdown_timeout: self.shutdown_timeout,
            access,
            credentials,
            limits,
        })
    }
}

impl Verbosity {
    /// The level of the log.
    pub fn level(self) -> LevelFilter {
        match i16::from(self.verbose) - i16::from(self.quiet) {
            ..=-2 => LevelFilter::Error,
            -1 => LevelFilter::Warn,
            0 => LevelFilter::Info,
            1 => LevelFilter::Debug,
            2.. => LevelFilter::Trace,
        }
    }
}
