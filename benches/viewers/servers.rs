//! The two servers as child processes, each alone on its core.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use framecast::bench::process;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::{bare_loop, error};

/// The core that the server has to itself.
const SERVER_CORE: usize = 0;

/// The core of the crowd, and of framecast's camera.
pub(crate) const CROWD_CORE: usize = 1;

/// How long a server may take until it has shown its first picture.
const START_TIME_MAX: Duration = Duration::from_secs(10);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    BareLoop,
    Framecast,
}

/// What this program does when it starts itself again.
#[derive(clap::Subcommand)]
pub(crate) enum Part {
    /// Become another program, on one core.
    #[command(hide = true)]
    Pinned {
        core: usize,
        program: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Be the bare loop.
    #[command(hide = true)]
    BareLoop { stills: PathBuf, fps: f64 },
}

impl Part {
    /// Plays it; a part that succeeds does not come back.
    pub(crate) fn play(self) -> io::Result<()> {
        match self {
            Self::BareLoop { stills, fps } => bare_loop::serve(&stills, fps),
            Self::Pinned { core, program, arguments } => {
                pin(None, core)?;
                Err(Command::new(program).args(arguments).exec())
            }
        }
    }
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    child: Child,
    /// Held open, or what the server says later would find nobody.
    _stdout: BufReader<ChildStdout>,
    /// Its stream.
    pub(crate) url: String,
}

impl Server {
    /// Starts a server on its core and waits for its first picture, which also wakes framecast's camera.
    pub(crate) fn start(kind: Kind, stills: &Path, fps: f64) -> io::Result<Self> {
        let mut command = match kind {
            Kind::BareLoop => {
                let mut command = pinned(&std::env::current_exe()?)?;
                command.arg("bare-loop").arg(stills).arg(fps.to_string());
                command
            }
            Kind::Framecast => {
                let source = format!("stills:{}?fps={fps}", stills.display());
                let mut command = pinned(Path::new(env!("CARGO_BIN_EXE_framecast")))?;
                command.args(["serve", "--quiet", "--listen", "127.0.0.1:0", "--camera", &source]);
                command
            }
        };
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut stdout = child.stdout.take().map(BufReader::new).ok_or_else(|| error("no standard output"))?;
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let address = line.rsplit([' ', '/']).find(|word| !word.trim().is_empty()).unwrap_or_default().trim();
        let mut server = Self { child, _stdout: stdout, url: format!("http://{address}/stream") };
        server.await_picture(address)?;
        for camera in process::children(server.pid()) {
            pin(Pid::from_raw(camera as i32), CROWD_CORE)?;
        }
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn await_picture(&mut self, address: &str) -> io::Result<()> {
        let started_at = Instant::now();
        loop {
            match read_some(address) {
                Ok(()) => return Ok(()),
                Err(failure) if started_at.elapsed() > START_TIME_MAX => {
                    return Err(error(format!("{} shows no picture: {failure}", self.url)));
                }
                Err(_) => {
                    if let Some(status) = self.child.try_wait()? {
                        return Err(error(format!("the server ended before its first picture, {status}")));
                    }
                    sleep(Duration::from_millis(20));
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // framecast ends its cameras on a termination signal; killed, it could not.
        let pid = Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Ties a process, or this thread, to one core.
pub(crate) fn pin(pid: Option<Pid>, core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(pid, &cores).map_err(|errno| error(format!("core {core} cannot be had: {errno}")))
}

/// A command that runs `program` on the server's core, by way of this program: it ties itself and then becomes the
/// other.
fn pinned(program: &Path) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("pinned").arg(SERVER_CORE.to_string()).arg(program);
    Ok(command)
}

/// Asks for the stream and reads its first kilobyte.
fn read_some(address: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(START_TIME_MAX))?;
    write!(stream, "GET /stream HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    stream.read_exact(&mut [0; 1024])
}
