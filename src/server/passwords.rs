//! Checks passwords in child processes.
//!
//! A password hash takes tens of milliseconds by design, which would block the loop. So each check
//! is a child process, whose exit code is the result. Only one runs at a time: guessed passwords use
//! one core at most. A check that hangs is killed without an effect on the next, and the memory of
//! Argon2 is freed with each exit.

use std::io::{self, Write};
use std::process::{self, Stdio};
use std::time::{Duration, Instant};

use mio::Registry;
use mio::unix::pipe::Sender;
use rustix::process::Signal;

use super::settings::DriverSpec;
use super::socket::Socket;
use super::supervised::Supervised;
use super::token::ChildKind;
use crate::hub::Hub;
use crate::site::auth::{Authenticator, Check, CheckResult};

/// A check that takes longer is killed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// The exit code of `framecast check-password` for the right password.
pub const RIGHT: u8 = 0;
/// The exit code for a wrong password. Any other code is a failure of the check.
pub const WRONG: u8 = 10;

/// The running check, with its ticket.
#[derive(Debug)]
pub struct Passwords(pub(super) Supervised<u64>);

impl Passwords {
    /// Runs the program `check` for each check.
    pub fn new(check: DriverSpec) -> Self {
        Self(Supervised::new(
            ChildKind::PasswordCheck,
            0,
            "password check",
            check,
        ))
    }

    /// Handles the result of a check that has exited, and wakes the requests that wait for it.
    pub fn read(
        &mut self,
        authenticator: &mut Authenticator,
        hub: &mut Hub<Socket>,
        scratch: &mut [u8],
        now: Instant,
    ) {
        self.0.read(scratch, now, |_, _, _| false);
        let Some(exit) = self.0.take_exit(now) else {
            return;
        };
        let result = match exit.status.code().and_then(|code| u8::try_from(code).ok()) {
            Some(RIGHT) => CheckResult::Right,
            Some(WRONG) => CheckResult::Wrong,
            _ => CheckResult::Unknown,
        };
        match result {
            CheckResult::Unknown => self
                .0
                .set_error(format!("failed ({}); login refused", exit.status)),
            _ => self.0.log().forget(),
        }
        authenticator.finish(exit.data, result, now);
        hub.check_finished(exit.data, now);
    }

    /// Starts the next check, if none is running, and wakes the requests whose checks were dropped.
    pub fn attend(
        &mut self,
        authenticator: &mut Authenticator,
        hub: &mut Hub<Socket>,
        registry: &Registry,
        now: Instant,
    ) {
        if self.0.is_off()
            && let Some(check) = authenticator.next_check()
        {
            let mut command = self.0.command();
            command.stdin(Stdio::piped());
            let ticket = check.ticket;
            let open =
                |process: &mut process::Child, _| write_request(process, check).map(|()| ticket);
            if self.0.start(command, registry, now, open) {
                self.0.signal_after(CHECK_TIMEOUT, Signal::KILL, now);
            } else {
                authenticator.finish(ticket, CheckResult::Unknown, now);
                hub.check_finished(ticket, now);
            }
        }
        for ticket in authenticator.take_dropped() {
            hub.check_finished(ticket, now);
        }
    }
}

/// Writes the input of a check: one line with the hash, and perhaps a dummy hash, then the password.
fn write_request(process: &mut process::Child, check: &Check) -> io::Result<()> {
    let mut request = check.target.hash.as_str().to_owned();
    if let Some(dummy) = &check.target.dummy {
        request.push(' ');
        request.push_str(dummy.as_str());
    }
    request.push('\n');
    let stdin = process
        .stdin
        .take()
        .ok_or_else(|| io::Error::other("stdin is not a pipe"))?;
    // An empty pipe has room for all of it. Otherwise this fails, rather than waits.
    let mut stdin = Sender::from(stdin);
    stdin.set_nonblocking(true)?;
    stdin.write_all(&[request.as_bytes(), &check.password].concat())
}
