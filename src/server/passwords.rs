//! Checking passwords against their hashes, which is slow on purpose: tens of milliseconds that no viewer may wait.
//!
//! So each check is a child process, as everything that takes long is, and one at a time: who sends wrong passwords
//! costs the other viewers no turn, and the machine one core at most. `SIGCHLD` tells that it is over, its exit code
//! what came of it. A process is started for each because it is the simplest that is right: there is no protocol, none
//! that hangs holds up the next, and what Argon2 takes of memory is given back at once.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use mio::unix::pipe::Sender;

use super::child;
use crate::site::auth::{Check, Guard, Verdict};

/// A check that takes longer is given up.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// The exit codes of `framecast check-password`. Any other means that it failed.
pub const RIGHT: u8 = 0;
/// See [`RIGHT`].
pub const WRONG: u8 = 10;

/// Who checks passwords.
#[derive(Debug)]
pub struct Passwords {
    program: PathBuf,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    ticket: u64,
    child: Child,
    until: Instant,
    /// A child of ours has ended since the last look.
    may_be_over: bool,
}

impl Passwords {
    /// Checks are made by `program check-password`.
    pub fn new(program: PathBuf) -> Self {
        Self { program, running: None }
    }

    /// Some child of ours has ended.
    pub fn child_ended(&mut self) {
        if let Some(running) = &mut self.running {
            running.may_be_over = true;
        }
    }

    /// Tells `guard` what came of the check that was made, if it is over, and returns its ticket.
    pub fn hear(&mut self, guard: &mut Guard, now: Instant) -> Option<u64> {
        let running = self.running.as_mut()?;
        let verdict = running.verdict(now)?;
        let ticket = running.ticket;
        self.running = None;
        guard.settle(ticket, verdict, now);
        Some(ticket)
    }

    /// Starts the next check, if none is under way. Returns the ticket of one that could not be started.
    pub fn attend(&mut self, guard: &mut Guard, now: Instant) -> Option<u64> {
        if self.running.is_some() {
            return None;
        }
        let check = guard.next_check()?;
        let ticket = check.ticket;
        match self.start(check) {
            Ok(child) => {
                self.running = Some(Running { ticket, child, until: now + CHECK_TIMEOUT, may_be_over: false });
                None
            }
            Err(error) => {
                log::error!("a password cannot be checked: {error}");
                guard.settle(ticket, Verdict::Unknown, now);
                Some(ticket)
            }
        }
    }

    /// When [`Passwords::hear`] must be called at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.running.as_ref().map(|running| running.until)
    }

    fn start(&self, check: &Check) -> io::Result<Child> {
        let mut command = child::command(&self.program, "check-password");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let handed_over = child.stdin.take().map_or(Ok(()), |stdin| {
            // Both together fit into an empty pipe, so this never waits; were it otherwise, it would fail instead.
            let mut stdin = Sender::from(stdin);
            stdin.set_nonblocking(true)?;
            stdin.write_all(&[check.hash.as_str().as_bytes(), b"\n", &check.password].concat())
        });
        handed_over.inspect_err(|_| put_down(&mut child)).map(|()| child)
    }
}

impl Running {
    /// What came of it, if it is over.
    fn verdict(&mut self, now: Instant) -> Option<Verdict> {
        if now >= self.until {
            log::error!("a password could not be checked within {} s", CHECK_TIMEOUT.as_secs());
            put_down(&mut self.child);
            return Some(Verdict::Unknown);
        }
        if !std::mem::take(&mut self.may_be_over) {
            return None;
        }
        let code = |code: Option<i32>| code.and_then(|code| u8::try_from(code).ok());
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) if code(status.code()) == Some(RIGHT) => Some(Verdict::Right),
            Ok(Some(status)) if code(status.code()) == Some(WRONG) => Some(Verdict::Wrong),
            failed => {
                log::error!("a password could not be checked: {failed:?}");
                Some(Verdict::Unknown)
            }
        }
    }
}

/// Kills a check and reaps it; a process that was killed is gone at once.
fn put_down(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
