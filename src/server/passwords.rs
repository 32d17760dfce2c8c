//! Checking passwords against their hashes, which is slow on purpose: tens of milliseconds that no viewer may wait.
//!
//! So each check is a child process, as everything that takes long is, and one at a time: wrong passwords cost the
//! other viewers no turn, and the machine one core at most. `SIGCHLD` reports its end, its exit code the result. A
//! process is started for each because it is the simplest that is right: a check that hangs does not hold up the next,
//! and the memory that Argon2 takes is given back at once.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use mio::unix::pipe::Sender;
use rustix::process::Pid;

use super::child;
use crate::site::auth::{Authenticator, Check, CheckResult};

/// A check that takes longer is given up.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// The exit codes of `framecast check-password`. Any other means that it failed.
pub const RIGHT: u8 = 0;
/// See [`RIGHT`].
pub const WRONG: u8 = 10;

/// The check that is under way.
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

    /// The process that checks a password now.
    pub(super) fn pid(&self) -> Option<Pid> {
        self.running.as_ref().map(|running| Pid::from_child(&running.child))
    }

    /// Some child of ours has ended.
    pub fn child_ended(&mut self) {
        if let Some(running) = &mut self.running {
            running.may_be_over = true;
        }
    }

    /// Takes the result of the check if it is over, and returns its ticket.
    pub fn take_result(&mut self, authenticator: &mut Authenticator, now: Instant) -> Option<u64> {
        let running = self.running.as_mut()?;
        let result = running.result(now)?;
        let ticket = running.ticket;
        self.running = None;
        authenticator.finish(ticket, result, now);
        Some(ticket)
    }

    /// Starts the next check, if none is under way. Returns the ticket of one that could not be started.
    pub fn attend(&mut self, authenticator: &mut Authenticator, now: Instant) -> Option<u64> {
        if self.running.is_some() {
            return None;
        }
        let check = authenticator.next_check()?;
        let ticket = check.ticket;
        match self.start(check) {
            Ok(child) => {
                self.running = Some(Running { ticket, child, until: now + CHECK_TIMEOUT, may_be_over: false });
                None
            }
            Err(error) => {
                log::error!("a password cannot be checked: {error}");
                authenticator.finish(ticket, CheckResult::Unknown, now);
                Some(ticket)
            }
        }
    }

    /// When [`Passwords::take_result`] must be called at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.running.as_ref().map(|running| running.until)
    }

    fn start(&self, check: &Check) -> io::Result<Child> {
        let mut command = child::command(&self.program, "check-password");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let handed_over = child.stdin.take().map_or(Ok(()), |stdin| {
            // All together fit into an empty pipe, so this never waits; were it otherwise, it would fail instead.
            let mut stdin = Sender::from(stdin);
            stdin.set_nonblocking(true)?;
            stdin.write_all(&request(check))
        });
        handed_over.inspect_err(|_| put_down(&mut child)).map(|()| child)
    }
}

/// What a check reads: one line of the hash and perhaps a costlier one, then the password.
fn request(check: &Check) -> Vec<u8> {
    let mut request = check.against.hash.as_str().to_owned();
    if let Some(costlier) = &check.against.costlier {
        request.push(' ');
        request.push_str(costlier.as_str());
    }
    request.push('\n');
    [request.as_bytes(), &check.password].concat()
}

impl Running {
    /// What came of it, if it is over.
    fn result(&mut self, now: Instant) -> Option<CheckResult> {
        if now >= self.until {
            log::error!("a password could not be checked within {} s", CHECK_TIMEOUT.as_secs());
            put_down(&mut self.child);
            return Some(CheckResult::Unknown);
        }
        if !std::mem::take(&mut self.may_be_over) {
            return None;
        }
        let code = |code: Option<i32>| code.and_then(|code| u8::try_from(code).ok());
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) if code(status.code()) == Some(RIGHT) => Some(CheckResult::Right),
            Ok(Some(status)) if code(status.code()) == Some(WRONG) => Some(CheckResult::Wrong),
            failed => {
                log::error!("a password could not be checked: {failed:?}");
                Some(CheckResult::Unknown)
            }
        }
    }
}

/// Kills a check and reaps it; a process that was killed is gone at once.
fn put_down(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
