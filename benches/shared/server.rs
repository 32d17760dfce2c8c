//! A server as a child process, alone on its core.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// The core that the server has to itself.
const SERVER_CORE: usize = 0;

/// The core of the crowd.
pub(crate) const CROWD_CORE: usize = 1;

/// How long a server may take until it has shown its first picture.
const START_TIME_MAX: Duration = Duration::from_secs(10);

/// How long a server may take to end, before it is made to.
const END_TIME_MAX: Duration = Duration::from_secs(5);

/// How often a server that is awaited is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Ties this thread to the crowd's core and lets it, and every server it starts, open as many files
/// as may be.
pub(crate) fn prepare() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    )?;
    pin(None, CROWD_CORE)
}

/// Ties a process, or this thread, to one core.
pub(crate) fn pin(pid: Option<Pid>, core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(pid, &cores)
        .map_err(|errno| io::Error::other(format!("core {core} cannot be had: {errno}")))
}

/// Starts a child on the servers' core: it is born on the one that its parent is tied to.
pub(crate) fn on_server_core<T>(start: impl FnOnce() -> T) -> io::Result<T> {
    pin(None, SERVER_CORE)?;
    let started = start();
    pin(None, CROWD_CORE)?;
    Ok(started)
}

/// framecast, showing the JPEGs of a directory.
pub(crate) fn framecast(stills: &Path, fps: f64) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
    let source = format!("stills:{}?fps={fps}", stills.display());
    command.args([
        "serve",
        "--quiet",
        "--listen",
        "127.0.0.1:0",
        "--camera",
        &source,
    ]);
    command
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    child: Child,
    /// Held open, or what the server says later would find nobody.
    _stdout: Option<BufReader<ChildStdout>>,
    /// Its stream.
    pub(crate) url: String,
}

impl Server {
    /// Starts a server on its core and waits for its first picture at `path`, which also wakes
    /// framecast's camera. Unless `address` tells where it will listen, the last word of the first
    /// line that it prints does.
    pub(crate) fn start(
        mut command: Command,
        address: Option<String>,
        path: &str,
    ) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(if address.is_some() {
            Stdio::null()
        } else {
            Stdio::piped()
        });
        let spawned = on_server_core(|| command.spawn())?;
        let mut server = Self {
            child: spawned?,
            _stdout: None,
            url: String::new(),
        };
        let address = match address {
            Some(address) => address,
            None => server.announced_address()?,
        };
        server.url = format!("http://{address}{path}");
        server.await_picture(&address, path)?;
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn announced_address(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if let Some(stdout) = self.child.stdout.take() {
            self._stdout
                .insert(BufReader::new(stdout))
                .read_line(&mut line)?;
        }
        let words = line.trim().trim_end_matches('/').rsplit([' ', '/']);
        Ok(words.take(1).collect())
    }

    fn await_picture(&mut self, address: &str, path: &str) -> io::Result<()> {
        let started_at = Instant::now();
        while let Err(failure) = read_some(address, path) {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!(
                    "the server ended before its first picture, {status}"
                )));
            }
            if started_at.elapsed() > START_TIME_MAX {
                return Err(io::Error::other(format!(
                    "{} shows no picture: {failure}",
                    self.url
                )));
            }
            sleep(LOOK_INTERVAL);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // framecast ends its cameras on a termination signal; killed, it could not.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let told_at = Instant::now();
        while told_at.elapsed() < END_TIME_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            sleep(LOOK_INTERVAL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks for the stream and reads its first kilobyte.
fn read_some(address: &str, path: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(START_TIME_MAX))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    stream.read_exact(&mut [0; 1024])
}
