//! The connection to a Redis that may be down: bounded retries, and one log line per outage.

use std::thread;
use std::time::{Duration, Instant};

use redis::{ErrorKind, RedisError, ServerErrorKind, cmd};

use super::address::Address;
use super::connection::Connection;
use super::error::Fault;
use crate::drivers::stderr::log_line;
use crate::text::secret::Credentials;

/// The minimum time from the start of one attempt to the start of the next.
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(250);

/// The timeout of each step of connecting. After it, a new connection is opened: a host that was
/// down when the packets were sent never answers the old one.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);

/// Reconnects to a Redis, and logs each outage once.
#[derive(Debug)]
pub(crate) struct Link<'a> {
    address: &'a Address,
    attempted_at: Option<Instant>,
    /// Whether the current outage has been logged.
    is_logged: bool,
}

impl<'a> Link<'a> {
    pub(crate) fn new(address: &'a Address) -> Self {
        Self {
            address,
            attempted_at: None,
            is_logged: false,
        }
    }

    /// Waits until the next attempt is due, then connects, logs in and sends PING. Reads and writes
    /// of the returned connection time out after [`CONNECT_TIMEOUT`] until the caller changes that.
    pub(crate) fn connect(&mut self) -> Result<Connection, Fault> {
        if let Some(attempted_at) = self.attempted_at {
            thread::sleep(
                (attempted_at + ATTEMPT_INTERVAL).saturating_duration_since(Instant::now()),
            );
        }
        self.attempted_at = Some(Instant::now());
        let mut connection = Connection::open(self.address, CONNECT_TIMEOUT)?;
        self.log_in(&mut connection)?;
        match cmd("PING").exec(&mut connection) {
            // The user may lack the permission for PING, but the server has answered.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => {
                Ok(connection)
            }
            reply => reply.map(|()| connection).map_err(RedisError::into),
        }
    }

    /// Sends the credentials, and selects the database.
    fn log_in(&self, connection: &mut Connection) -> Result<(), Fault> {
        if let Some(Credentials { user, password }) = &self.address.credentials {
            let mut auth = cmd("AUTH");
            if !user.is_empty() {
                auth.arg(user);
            }
            auth.arg(password)
                .exec(connection)
                .map_err(|error| match error.kind() {
                    ErrorKind::Server(ServerErrorKind::BusyLoading) => Fault::from(error),
                    ErrorKind::Server(_)
                    | ErrorKind::Extension
                    | ErrorKind::AuthenticationFailed => Fault::PasswordWrong,
                    _ => Fault::from(error),
                })?;
        }
        if self.address.database == 0 {
            return Ok(());
        }
        cmd("SELECT")
            .arg(self.address.database)
            .exec(connection)
            .map_err(|error| match error.kind() {
                ErrorKind::Server(ServerErrorKind::ResponseError) => {
                    Fault::Database(error.detail().unwrap_or_default().to_owned())
                }
                _ => Fault::from(error),
            })
    }

    /// Reports a failed attempt or a lost connection; logs it unless this outage was logged.
    pub(crate) fn lost(&mut self, fault: &Fault) {
        if !std::mem::replace(&mut self.is_logged, true) {
            log_line(format_args!("{}: {fault}; retrying", self.address));
        }
    }

    /// Reports a frame received or sent: the outage is over. Returns whether it was logged.
    pub(crate) fn recovered(&mut self) -> bool {
        std::mem::take(&mut self.is_logged)
    }
}
