//! The log: to standard error by env_logger, through a writer that never blocks, masks credentials,
//! escapes what came from outside, and counts what it had to drop. systemd's journal has a time and
//! a priority for each line: there, a line begins with its priority and has neither time nor level
//! of its own.

mod rate_limit;

use std::env;
use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use env_logger::{Builder, Env, Target};
use log::{Level, LevelFilter};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;

pub use self::rate_limit::RateLimit;
use crate::wire::printable::Printable;
use crate::wire::secret::mask;

/// A line longer than this is cut. It is what a pipe takes whole when it says that it takes
/// anything (pipe(7), PIPE_BUF).
const LINE_BYTES_MAX: usize = 4096;

/// Lines written in one second; more than that nobody reads, and somebody else is making us write
/// them.
const LINES_PER_SECOND_MAX: u32 = 1000;

static LINES_LOST: AtomicU64 = AtomicU64::new(0);

/// Whether standard error is the journal's: `JOURNAL_STREAM` names its device and inode, as it may
/// have been led elsewhere since (systemd.exec(5)).
static TO_JOURNAL: LazyLock<bool> = LazyLock::new(|| {
    let Ok(journal) = env::var("JOURNAL_STREAM") else {
        return false;
    };
    fstat(io::stderr())
        .is_ok_and(|stderr| journal == format!("{}:{}", stderr.st_dev, stderr.st_ino))
});

/// Starts the log at `level`, unless `RUST_LOG` says otherwise.
pub fn start(level: LevelFilter) {
    let mut builder = Builder::from_env(Env::default().default_filter_or(level.as_str()));
    builder
        .target(Target::Pipe(Box::new(Unblocking::default())))
        .format(|line, record| {
            let (level, words) = (record.level(), Printable(mask(&record.args().to_string())));
            match priority(level) {
                "" => writeln!(line, "{} {level:<5} {words}", line.timestamp_millis()),
                priority => writeln!(line, "{priority}{words}"),
            }
        });
    // A second start, which only a test can make, changes nothing.
    let _ = builder.try_init();
}

/// What a line of this level begins with, so that the journal knows its priority (sd-daemon(3));
/// nothing elsewhere.
pub fn priority(level: Level) -> &'static str {
    match level {
        _ if !*TO_JOURNAL => "",
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    }
}

/// Log lines that were dropped because standard error took no more, or because there were too many
/// of them.
pub fn lines_lost() -> u64 {
    LINES_LOST.load(Ordering::Relaxed)
}

/// Standard error, asked first whether it would take a line. A terminal on hold or a pipe nobody
/// reads then costs lines and not the loop. The descriptor is not made non-blocking: it is shared
/// with whoever started us.
#[derive(Debug, Default)]
struct Unblocking {
    window_started: Option<Instant>,
    written: u32,
    lost: u64,
}

impl Unblocking {
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
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let writable = matches!(poll(&mut descriptors, Some(&at_once)), Ok(1))
            && descriptors[0].revents() == PollFlags::OUT;
        self.written += 1;
        writable && self.written <= LINES_PER_SECOND_MAX
    }
}

impl Write for Unblocking {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !self.has_room() {
            self.lost += 1;
            LINES_LOST.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        let mut piece = Vec::with_capacity(LINE_BYTES_MAX);
        if self.lost > 0 {
            let _ = writeln!(
                piece,
                "{}({} log lines were lost here)",
                priority(Level::Warn),
                self.lost
            );
            self.lost = 0;
        }
        let room = LINE_BYTES_MAX - piece.len() - 1;
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        piece.extend_from_slice(&text[..text.len().min(room)]);
        piece.push(b'\n');
        // Whatever becomes of it, a log line is not worth an error.
        let _ = io::stderr().write(&piece);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
