//! Checks passwords against their hashes, which takes tens of milliseconds on purpose: too long for
//! a turn.
//!
//! Each check is a child process, one at a time, so that wrong passwords cost other viewers no turn
//! and the machine one core at most. Its exit code is the result. A process for each check is the
//! simplest that is right: one that hangs does not hold up the next, and the memory that Argon2
//! takes is returned at once.

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

/// The exit codes of `framecast check-password`. Any other means that it failed.
pub const RIGHT: u8 = 0;
/// See [`RIGHT`].
pub const WRONG: u8 = 10;

/// The check that is under way, with its ticket.
#[derive(Debug)]
pub struct Passwords(pub(super) Supervised<u64>);

impl Passwords {
    /// Checks are made by `check`.
    pub fn new(check: DriverSpec) -> Self {
        Self(Supervised::new(
            ChildKind::PasswordCheck,
            0,
            "password check",
            check,
        ))
    }

    /// Takes the result of a check that has exited, and has the requests that wait for it answered.
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
                .fail(format!("failed ({}), login refused", exit.status)),
            _ => self.0.log().forget(),
        }
        authenticator.finish(exit.own, result, now);
        hub.check_finished(exit.own, now);
    }

    /// Starts the next check, if none is under way, and has the requests answered whose checks were
    /// dropped.
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
            let open = |process: &mut process::Child, _| hand_over(process, check).map(|()| ticket);
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

/// Writes what a check reads: one line of the hash and perhaps a costlier one, then the password.
fn hand_over(process: &mut process::Child, check: &Check) -> io::Result<()> {
    let mut request = check.against.hash.as_str().to_owned();
    if let Some(costlier) = &check.against.costlier {
        request.push(' ');
        request.push_str(costlier.as_str());
    }
    request.push('\n');
    let stdin = process
        .stdin
        .take()
        .ok_or_else(|| io::Error::other("its standard input is no pipe"))?;
    // All together fits into an empty pipe, so this never waits; if it did not fit, it would fail.
    let mut stdin = Sender::from(stdin);
    stdin.set_nonblocking(true)?;
    stdin.write_all(&[request.as_bytes(), &check.password].concat())
}
