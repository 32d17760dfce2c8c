//! The command line and the `FRAMECAST_*` variables, parsed once and validated into plain values.

mod access;
mod cameras;
mod error;
mod given;
mod health;
mod help;
mod hints;
mod history;
mod limits;
mod listen;
mod programs;
mod serve;
#[cfg(test)]
mod tests;
mod values;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use log::LevelFilter;
use rustix::process::Pid;

pub use self::access::Token;
pub use self::cameras::check_sources;
pub use self::error::OptionsError;
use self::given::One;
pub use self::health::Health;
pub use self::help::Help;
pub use self::serve::Serve;
use self::values::{frame_mebibytes, pixels, process_id, secret};
#[cfg(feature = "bench")]
use crate::bench;
use crate::drivers::SOURCE_VARIABLE;
use crate::drivers::hints::SOURCES;
use crate::generate::File;
use crate::publish::TARGET_VARIABLE;
use crate::text::secret::SecretAddress;

/// Stream live cameras to any number of browsers and players
///
/// Without a command, framecast serves: an emulated camera on http://127.0.0.1:8080/ unless other
/// cameras and addresses are given.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
#[command(after_long_help = serve::notes())]
pub struct Options {
    /// The command; `serve` if there is none.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Print a file for the installation: man, bash, zsh, fish, systemd, dockerfile or grafana
    ///
    /// man is the manual page; bash, zsh and fish complete command lines; systemd is a unit for a
    /// service; dockerfile builds a container image; grafana is a dashboard for /metrics.
    #[arg(long, value_name = "FILE", hide_possible_values = true)]
    pub generate: Option<File>,
    /// The options of `serve`, which may be given without naming the command.
    #[command(flatten)]
    pub serve: Serve,
    /// The log level.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

impl Options {
    /// Parses the command line and the `FRAMECAST_*` variables of this process.
    ///
    /// # Errors
    /// They are invalid, or ask for help or the version.
    pub fn from_process() -> Result<Self, clap::Error> {
        let command = Self::command();
        let parsed = hints::without_blank_variables(command.clone()).try_get_matches();
        let matches = parsed.map_err(hints::add_hint)?;
        let options =
            Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command.clone()))?;
        if options.command.is_none() {
            hints::check_positionals(&options.serve, &command)?;
        }
        Ok(options)
    }

    /// Returns a warning for each `FRAMECAST_*` variable that belongs to no option.
    pub fn unknown_variables() -> Vec<String> {
        hints::unknown_variables(&Self::command())
    }
}

/// The commands of framecast.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve cameras to browsers and players (the default command)
    Serve(Box<Serve>),
    /// Write a source's frames to standard output
    ///
    /// The output is multipart/x-mixed-replace without an HTTP head: each part is one JPEG with its
    /// capture time in X-Timestamp. The server runs one such process for each camera. Standard
    /// output must be a pipe or a file, not a terminal.
    Capture(Capture),
    /// Publish frames from standard input in Redis
    ///
    /// Standard input may be JPEGs one after another or multipart/x-mixed-replace, as ffmpeg -f
    /// mjpeg and "framecast capture" write them.
    Publish(Publish),
    /// Draw the placeholder of an offline camera and write it to standard output as a JPEG
    ///
    /// The server starts this command; it is not meant to be typed.
    #[command(hide = true)]
    DrawOffline(DrawOffline),
    /// Print an access token that expires, for one camera or for the whole server
    ///
    /// The token is signed with the server's own token, which has at least 16 characters and is
    /// given by --token-file or FRAMECAST_TOKEN. It cannot be revoked alone: all signed tokens
    /// become invalid when the server's token changes.
    Token(Token),
    /// Compare a password with a hash, both from standard input (exit status 0 or 10)
    ///
    /// The server starts this command; it is not meant to be typed.
    #[command(hide = true)]
    CheckPassword,
    /// List this machine's cameras with their formats, sizes and frame rates
    Cameras,
    /// Check a running server's health (exit status 0 or 1)
    ///
    /// Requests /healthz and prints the answer. Exit status: 0 if the server is healthy, 1 if it is
    /// not or does not answer within 5 s, 2 for invalid options. The variables are those of the
    /// server, so a health check in the server's environment, such as a container, needs no
    /// options.
    Health(Health),
    /// Load-test an MJPEG server: frame rates, damaged frames, latency, CPU and memory
    ///
    /// Opens many viewers of one stream from one thread, waits until all are connected, measures
    /// for --seconds and prints the figures. Their terms are defined below them in the output. Any
    /// server of multipart/x-mixed-replace with JPEG parts will do. Latency needs X-Timestamp and
    /// skipped frames need X-Frame-Sequence in each part; framecast sends both.
    #[cfg(feature = "bench")]
    Bench(bench::Args),
    /// Print the help of a command or a topic of the guide; without a name, list them
    Help(Help),
}

/// The options for the log level.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Logging")]
pub struct Verbosity {
    /// Log more: -v adds debug messages, -vv trace messages
    ///
    /// The log goes to standard error. The variable RUST_LOG overrides -v and -q, for example
    /// RUST_LOG=framecast=trace.
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Log less: -q logs warnings and errors only, -qq errors only
    #[arg(short, long, global = true, action = ArgAction::Count)]
    quiet: u8,
}

impl Verbosity {
    /// Returns the log level.
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

/// The options of `framecast capture`.
#[derive(Debug, Args)]
#[command(after_help = format!("Sources:\n  {}\n\n\"framecast help cameras\" explains them.", SOURCES.join("\n  ")))]
pub struct Capture {
    /// Source of the frames
    ///
    /// Set the variable instead if the source contains a password: every user of this machine can
    /// read the argument list.
    #[arg(env = SOURCE_VARIABLE, hide_env_values = true, value_parser = One(secret))]
    pub source: SecretAddress,
    /// The limit of a frame's size.
    #[command(flatten)]
    pub frame_max: FrameMax,
    /// The process id of the server that started this driver. The driver ends with it.
    #[arg(long, hide = true, value_name = "PID", value_parser = process_id)]
    pub server: Option<Pid>,
    /// The camera's name, which only identifies the driver in a process list.
    #[arg(long, hide = true, value_name = "NAME", allow_hyphen_values = true)]
    pub camera: Option<String>,
}

/// The limit of a frame's size, which a server passes to its drivers and publishers.
#[derive(Debug, Args)]
pub struct FrameMax {
    /// Largest accepted frame, in MiB, from 1 to 64
    #[arg(long, value_name = "MIB", default_value_t = 8, value_parser = frame_mebibytes)]
    frame_max_mib: u32,
}

impl FrameMax {
    /// Returns the limit in bytes.
    pub fn bytes(&self) -> usize {
        self.frame_max_mib as usize * 1024 * 1024
    }
}

/// The options of `framecast publish`.
#[derive(Debug, Args)]
pub struct Publish {
    /// Where to publish: redis://HOST/CHANNEL or redis+list://HOST/KEY?max=100
    ///
    /// redis://USER:PASSWORD@HOST:PORT/DB/CHANNEL sends each frame to all subscribers.
    /// redis+list://...KEY?max=N appends each frame to a list of at most N frames, from which each
    /// worker takes its next one. rediss:// and rediss+list:// use TLS. Set the variable instead if
    /// the address contains a password: every user of this machine can read the argument list.
    #[arg(value_name = "URL", env = TARGET_VARIABLE, hide_env_values = true, value_parser = One(secret))]
    pub target: SecretAddress,
    /// The limit of a frame's size.
    #[command(flatten)]
    pub frame_max: FrameMax,
    /// The process id of the server that started this publisher. The publisher ends with it.
    #[arg(long, hide = true, value_name = "PID", value_parser = process_id)]
    pub server: Option<Pid>,
}

/// The options of `framecast draw-offline`.
#[derive(Debug, Args)]
pub struct DrawOffline {
    /// Name of the camera
    #[arg(long, allow_hyphen_values = true)]
    pub name: String,
    /// Why it is offline, as one sentence
    #[arg(long, allow_hyphen_values = true)]
    pub reason: String,
    /// When it went offline, in seconds since 1970
    #[arg(long, value_name = "SECONDS")]
    pub since: u64,
    /// Size of the picture, in pixels
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = pixels, default_value = "640x480")]
    pub size: (u16, u16),
}
