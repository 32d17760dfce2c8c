//! The other servers: whether they are here, and how each is told to show the same pictures.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::ValueEnum;

use crate::shared::server::{self, Server};

/// Where this bench lies in the source tree.
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers");

/// Where the tokio and axum server is built.
const AXUM_TARGET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/axum");

/// The camera that ustreamer captures from.
const VIDEO_DEVICE: &str = "/dev/video0";

/// Names a library that shows ustreamer a camera where there is none. It is told what that camera
/// shows by `FAKE_V4L2_JPEG`, the path of a picture, and `FAKE_V4L2_FPS`.
const USTREAMER_PRELOAD: &str = "USTREAMER_PRELOAD";

/// Pythons that may have Flask and gevent; the second is the system's, where another one comes
/// first on the path.
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// This one.
    Framecast,
    /// One task for each viewer, one thread: `axum/`.
    Axum,
    /// C on libevent, with a copy of each frame for each viewer.
    Ustreamer,
    /// C with a thread for each viewer.
    MjpgStreamer,
    /// Python with a greenlet for each viewer: `flask_gevent.py`.
    Flask,
}

/// A server that can be started.
pub(crate) struct Peer {
    pub(crate) kind: Kind,
    program: PathBuf,
}

/// What every server shows.
pub(crate) struct Scene<'a> {
    /// A directory of JPEGs.
    pub(crate) stills: &'a Path,
    /// Pictures a second.
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
    /// Finds a server on this machine, or builds it. If it cannot be had, says why and how it
    /// could.
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

    /// Starts it and waits for its first picture.
    pub(crate) fn start(&self, scene: &Scene) -> io::Result<Server> {
        let Scene { stills, fps } = scene;
        let mut command = Command::new(&self.program);
        match self.kind {
            Kind::Framecast => Server::start(server::framecast(stills, *fps), None, "/stream"),
            Kind::Axum => {
                command.arg(stills).arg(fps.to_string());
                Server::start(command, None, "/stream")
            }
            Kind::Flask => {
                command
                    .arg(Path::new(HERE).join("flask_gevent.py"))
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

/// Builds the tokio and axum server, a package apart from framecast's so that its dependencies are
/// not framecast's.
fn build_axum() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(HERE).join("axum/Cargo.toml");
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
            "cargo cannot build {}; it has to download its dependencies once",
            manifest.display()
        )),
    }
}

fn find_ustreamer() -> Result<PathBuf, String> {
    if !starts("ustreamer", &["--version"]) {
        return Err("it is not installed (apt install ustreamer)".to_owned());
    }
    if !Path::new(VIDEO_DEVICE).exists() && std::env::var_os(USTREAMER_PRELOAD).is_none() {
        return Err(format!(
            "there is no {VIDEO_DEVICE}; connect a camera, or let {USTREAMER_PRELOAD} name a library that stands in"
        ));
    }
    Ok("ustreamer".into())
}

fn find_mjpg_streamer() -> Result<PathBuf, String> {
    if starts("mjpg_streamer", &["--version"]) {
        Ok("mjpg_streamer".into())
    } else {
        Err("it is not installed (build it from github.com/jacksonliam/mjpg-streamer)".to_owned())
    }
}

fn find_python() -> Result<PathBuf, String> {
    let found = PYTHONS
        .into_iter()
        .find(|python| starts(python, &["-c", "import flask, gevent"]));
    found
        .map(PathBuf::from)
        .ok_or_else(|| "it is not installed (apt install python3-flask python3-gevent)".to_owned())
}

/// Whether a program is there and does as it is told.
fn starts(program: &str, arguments: &[&str]) -> bool {
    let mut command = quiet(Command::new(program));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Keeps a program's log out of the table.
fn quiet(mut command: Command) -> Command {
    command.stderr(Stdio::null());
    command
}

/// A port that was free a moment ago, for servers that cannot be asked which one they were given.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
