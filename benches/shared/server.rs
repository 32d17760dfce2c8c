//! Runs a server as a child process, pinned to a core of its own.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// The core of the server.
const SERVER_CORE: usize = 0;

/// The core of the viewers.
pub(crate) const CROWD_CORE: usize = 1;

/// Limit for a server's first frame after its start.
const START_TIME_MAX: Duration = Duration::from_secs(10);

/// Time from SIGTERM to SIGKILL.
const END_TIME_MAX: Duration = Duration::from_secs(5);

/// Time between two polls of a server that starts or ends.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Pins this thread to the viewers' core and raises the limit of open files to its maximum. Child
/// processes inherit the limit.
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

/// Pins a process, or this thread, to one core.
pub(crate) fn pin(pid: Option<Pid>, core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(pid, &cores).map_err(|errno| {
        io::Error::other(format!(
            "cannot pin to core {core}: {errno}; this bench needs two cores"
        ))
    })
}

/// Starts a child process on the server's core. A child inherits the affinity of its parent.
pub(crate) fn on_server_core<T>(start: impl FnOnce() -> T) -> io::Result<T> {
    pin(None, SERVER_CORE)?;
    let started = start();
    pin(None, CROWD_CORE)?;
    Ok(started)
}

/// Returns the command that serves the JPEGs of a directory with framecast.
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

/// A running server. Dropping it ends the process.
pub(crate) struct Server {
    child: Child,
    /// Kept open: a server that writes to a closed pipe would get SIGPIPE.
    _stdout: Option<BufReader<ChildStdout>>,
    /// URL of the stream.
    pub(crate) url: String,
}

impl Server {
    /// Starts a server on its core and waits until `path` sends a frame. Without `address`, the
    /// server prints the address as the last word of its first line.
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
            None => server.read_printed_address()?,
        };
        server.url = format!("http://{address}{path}");
        server.wait_for_frame(&address, path)?;
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn read_printed_address(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if let Some(stdout) = self.child.stdout.take() {
            self._stdout
                .insert(BufReader::new(stdout))
                .read_line(&mut line)?;
        }
        let address = line.trim().trim_end_matches('/').rsplit([' ', '/']).next();
        Ok(address.unwrap_or_default().to_owned())
    }

    fn wait_for_frame(&mut self, address: &str, path: &str) -> io::Result<()> {
        let started_at = Instant::now();
        while let Err(failure) = read_stream_start(address, path) {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!(
                    "the server ended before its first frame: {status}"
                )));
            }
            if started_at.elapsed() > START_TIME_MAX {
                return Err(io::Error::other(format!(
                    "{}: no frame within {} s: {failure}",
                    self.url,
                    START_TIME_MAX.as_secs()
                )));
            }
            sleep(POLL_INTERVAL);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // On SIGTERM framecast ends its drivers; SIGKILL gives it no time to.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let signalled_at = Instant::now();
        while signalled_at.elapsed() < END_TIME_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            sleep(POLL_INTERVAL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Requests the stream and reads its first kilobyte.
fn read_stream_start(address: &str, path: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(START_TIME_MAX))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    stream.read_exact(&mut [0; 1024])
}
