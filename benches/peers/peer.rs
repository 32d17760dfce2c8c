//! The servers compared: how to find each, and how to start it with the same pictures.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::ValueEnum;

use crate::shared::server::{self, Server};

/// This bench's directory.
const BENCH_DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers");

/// Target directory of the tokio and axum server.
const AXUM_TARGET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/axum");

/// Camera of ustreamer.
const VIDEO_DEVICE: &str = "/dev/video0";

/// Variable with the path of a library that emulates [`VIDEO_DEVICE`] for ustreamer (`LD_PRELOAD`).
/// The library reads the path of a picture from `FAKE_V4L2_JPEG` and its rate from
/// `FAKE_V4L2_FPS`.
const USTREAMER_PRELOAD: &str = "USTREAMER_PRELOAD";

/// Interpreters that may have Flask and gevent; the second is the system's, in case another one
/// precedes it in `PATH`.
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];

/// The servers compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// This project's server.
    Framecast,
    /// One thread, one task per viewer: `axum/`.
    Axum,
    /// C on libevent, one copy of each frame per viewer.
    Ustreamer,
    /// C, one thread per viewer.
    MjpgStreamer,
    /// Python, one greenlet per viewer: `flask_gevent.py`.
    Flask,
}

/// An installed server.
pub(crate) struct Peer {
    pub(crate) kind: Kind,
    program: PathBuf,
}

/// The pictures that every server sends.
pub(crate) struct Input<'a> {
    /// A directory of JPEGs.
    pub(crate) stills: &'a Path,
    /// Frames per second.
    pub(crate) fps: f64,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [
        Self::Framecast,
        Self::Axum,
        Self::Ustreamer,
        Self::MjpgStreamer,
        Self::Flask,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Framecast => "framecast",
            Self::Axum => "tokio + axum",
            Self::Ustreamer => "ustreamer",
            Self::MjpgStreamer => "mjpg-streamer",
            Self::Flask => "Flask + gevent",
        }
    }
}

impl Peer {
    /// Finds a server on this machine, or builds it. The error says how to install it.
    pub(crate) fn find(kind: Kind) -> Result<Self, String> {
        let program = match kind {
            Kind::Framecast => PathBuf::from(env!("CARGO_BIN_EXE_framecast")),
            Kind::Axum => build_axum()?,
            Kind::Ustreamer => find_ustreamer()?,
            Kind::MjpgStreamer => find_mjpg_streamer()?,
            Kind::Flask => find_python()?,
        };
        Ok(Self { kind, program })
    }

    /// Starts the server and waits for its first frame.
    pub(crate) fn start(&self, input: &Input) -> io::Result<Server> {
        let Input { stills, fps } = input;
        let mut command = Command::new(&self.program);
        match self.kind {
            Kind::Framecast => Server::start(server::framecast(stills, *fps), None, "/stream"),
            Kind::Axum => {
                command.arg(stills).arg(fps.to_string());
                Server::start(command, None, "/stream")
            }
            Kind::Flask => {
                command
                    .arg(Path::new(BENCH_DIRECTORY).join("flask_gevent.py"))
                    .arg(stills)
                    .arg(fps.to_string());
                Server::start(command, None, "/video_feed")
            }
            Kind::Ustreamer => {
                let port = free_port()?;
                let fps = fps.to_string();
                command.args([
                    "--device",
                    VIDEO_DEVICE,
                    "--format",
                    "MJPEG",
                    "--encoder",
                    "HW",
                    "--desired-fps",
                    &fps,
                ]);
                command.args([
                    "--host",
                    "127.0.0.1",
                    "--port",
                    &port.to_string(),
                    "--tcp-nodelay",
                ]);
                if let Some(library) = std::env::var_os(USTREAMER_PRELOAD) {
                    command.env("LD_PRELOAD", library);
                    command
                        .env("FAKE_V4L2_JPEG", stills.join("000.jpg"))
                        .env("FAKE_V4L2_FPS", fps);
                }
                Server::start(quiet(command), Some(format!("127.0.0.1:{port}")), "/stream")
            }
            Kind::MjpgStreamer => {
                let port = free_port()?;
                let input = format!("input_file.so -e -d {} -f {}", 1.0 / fps, stills.display());
                let output = format!("output_http.so -l 127.0.0.1 -p {port}");
                command.args(["-i", &input, "-o", &output]);
                Server::start(
                    quiet(command),
                    Some(format!("127.0.0.1:{port}")),
                    "/?action=stream",
                )
            }
        }
    }
}

/// Builds the tokio and axum server. It is a package of its own, so that framecast does not depend
/// on tokio and axum.
fn build_axum() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(BENCH_DIRECTORY).join("axum/Cargo.toml");
    let mut build = Command::new(cargo);
    build.args([
        "build",
        "--release",
        "--locked",
        "--quiet",
        "--target-dir",
        AXUM_TARGET,
        "--manifest-path",
    ]);
    match build.arg(&manifest).stdin(Stdio::null()).status() {
        Ok(status) if status.success() => {
            Ok(Path::new(AXUM_TARGET).join("release/framecast-peer-axum"))
        }
        _ => Err(format!(
            "cargo cannot build {}; the first build downloads its dependencies",
            manifest.display()
        )),
    }
}

fn find_ustreamer() -> Result<PathBuf, String> {
    if !starts("ustreamer", &["--version"]) {
        return Err("not installed; run apt install ustreamer".to_owned());
    }
    if !Path::new(VIDEO_DEVICE).exists() && std::env::var_os(USTREAMER_PRELOAD).is_none() {
        return Err(format!(
            "{VIDEO_DEVICE}: no such device; connect a camera, or set {USTREAMER_PRELOAD} to a library that emulates it"
        ));
    }
    Ok("ustreamer".into())
}

fn find_mjpg_streamer() -> Result<PathBuf, String> {
    if starts("mjpg_streamer", &["--version"]) {
        Ok("mjpg_streamer".into())
    } else {
        Err("not installed; build it from github.com/jacksonliam/mjpg-streamer".to_owned())
    }
}

fn find_python() -> Result<PathBuf, String> {
    let found = PYTHONS
        .into_iter()
        .find(|python| starts(python, &["-c", "import flask, gevent"]));
    found
        .map(PathBuf::from)
        .ok_or_else(|| "not installed; run apt install python3-flask python3-gevent".to_owned())
}

/// Returns whether a program can be run and exits with status 0.
fn starts(program: &str, arguments: &[&str]) -> bool {
    let mut command = quiet(Command::new(program));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Discards a program's stderr, which would break the table.
fn quiet(mut command: Command) -> Command {
    command.stderr(Stdio::null());
    command
}

/// Returns a free port, for servers that cannot bind port 0 and print the result.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
