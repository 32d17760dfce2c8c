//! The log: env_logger writes to stderr, through a writer that never blocks.
//!
//! Credentials are masked and control characters escaped. Lines that stderr does not take are
//! dropped and counted. The journal of systemd records a time and a priority for each line: there, a
//! line begins with its priority, without time and level.

use std::env;
use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use env_logger::{Builder, Env, Target};
use log::{Level, LevelFilter};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;

use crate::text::escaped::Escaped;
use crate::text::secret::mask;

/// A longer line is cut. A pipe that is writable takes this many bytes at once (PIPE_BUF in
/// pipe(7)).
const LINE_BYTES_MAX: usize = 4096;

/// Lines written in one second. More are dropped: probably a peer causes them.
const LINES_PER_SECOND_MAX: u32 = 1000;

static LINES_DROPPED: AtomicU64 = AtomicU64::new(0);

/// Whether stderr goes to the journal. `JOURNAL_STREAM` has the device and inode of the journal's
/// stream; stderr may have been redirected since (systemd.exec(5)).
static TO_JOURNAL: LazyLock<bool> = LazyLock::new(|| {
    let Ok(journal) = env::var("JOURNAL_STREAM") else {
        return false;
    };
    fstat(io::stderr())
        .is_ok_and(|stderr| journal == format!("{}:{}", stderr.st_dev, stderr.st_ino))
});

/// Starts the log at `level`, unless `RUST_LOG` is set.
pub fn start(level: LevelFilter) {
    let mut builder = Builder::from_env(Env::default().default_filter_or(level.as_str()));
    builder
        .target(Target::Pipe(Box::new(NonBlockingStderr::default())))
        .format(|line, record| {
            let (level, text) = (record.level(), Escaped(mask(&record.args().to_string())));
            match priority(level) {
                "" => writeln!(line, "{} {level:<5} {text}", line.timestamp_millis()),
                priority => writeln!(line, "{priority}{text}"),
            }
        });
    // A second start, as in tests, changes nothing.
    let _ = builder.try_init();
}

/// Returns the prefix of a line that tells the journal its priority (sd-daemon(3)); empty if stderr
/// does not go to the journal.
pub fn priority(level: Level) -> &'static str {
    match level {
        _ if !*TO_JOURNAL => "",
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    }
}

/// Returns the number of dropped lines: stderr did not take them, or there were too many.
pub fn lines_dropped() -> u64 {
    LINES_DROPPED.load(Ordering::Relaxed)
}

/// Writes a line only if stderr is writable, so that a stopped terminal or a full pipe costs log
/// lines, but does not block the loop. The descriptor stays in blocking mode, because other processes
/// share it.
#[derive(Debug, Default)]
struct NonBlockingStderr {
    window_started: Option<Instant>,
    written: u32,
    dropped: u64,
}

impl NonBlockingStderr {
    fn has_room(&mut self) -> bool {
        let now = Instant::now();
        if self
            .window_started
            .is_none_or(|started| now >= started + Duration::from_secs(1))
        {
            self.window_started = Some(now);
            self.written = 0;
        }
        let stderr = io::stderr();
        let mut descriptors = [PollFd::new(&stderr, PollFlags::OUT)];
        let no_wait = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let writable = matches!(poll(&mut descriptors, Some(&no_wait)), Ok(1))
            && descriptors[0].revents() == PollFlags::OUT;
        self.written += 1;
        writable && self.written <= LINES_PER_SECOND_MAX
    }
}

impl Write for NonBlockingStderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !self.has_room() {
            self.dropped += 1;
            LINES_DROPPED.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        let mut bytes = Vec::with_capacity(LINE_BYTES_MAX);
        if self.dropped > 0 {
            let _ = writeln!(
                bytes,
                "{}({} log lines dropped)",
                priority(Level::Warn),
                self.dropped
            );
            self.dropped = 0;
        }
        let room = LINE_BYTES_MAX - bytes.len() - 1;
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        bytes.extend_from_slice(&text[..text.len().min(room)]);
        bytes.push(b'\n');
        // A line that cannot be logged must not fail the caller.
        let _ = io::stderr().write(&bytes);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
