//! The way to a Redis that may be away: tried again without haste, and without many words.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use redis::{ErrorKind, RedisError, ServerErrorKind, cmd};

use super::address::Address;
use super::connection::Connection;
use super::error::Fault;
use crate::text::secret::Credentials;

/// From the beginning of one attempt to that of the next: four a second at most.
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(250);

/// A Redis that has not answered by then is tried anew: what was sent to a machine that was down
/// then never arrives.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_millis(1500);

/// Who connects again and again, and tells of each outage once.
#[derive(Debug)]
pub(crate) struct Link<'a> {
    address: &'a Address,
    attempted_at: Option<Instant>,
    /// The outage that lasts has been told of.
    told: bool,
}

impl<'a> Link<'a> {
    pub(crate) fn new(address: &'a Address) -> Self {
        Self {
            address,
            attempted_at: None,
            told: false,
        }
    }

    /// Waits until the next attempt may be made, and makes it. The connection has answered once,
    /// and every wait on it ends after [`ANSWER_TIMEOUT`] until the caller says otherwise.
    pub(crate) fn connect(&mut self) -> Result<Connection, Fault> {
        if let Some(attempted_at) = self.attempted_at {
            thread::sleep(
                (attempted_at + ATTEMPT_INTERVAL).saturating_duration_since(Instant::now()),
            );
        }
        self.attempted_at = Some(Instant::now());
        let mut connection = Connection::open(self.address, ANSWER_TIMEOUT)?;
        self.log_in(&mut connection)?;
        match cmd("PING").exec(&mut connection) {
            // That it must not ask is an answer too.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => {
                Ok(connection)
            }
            answer => answer.map(|()| connection).map_err(RedisError::into),
        }
    }

    /// Sends the credentials, and chooses the database.
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

    /// An attempt or a connection has failed. It is said, with `what` is missing, unless it has
    /// been.
    pub(crate) fn lost(&mut self, what: &str, fault: &Fault) {
        if !std::mem::replace(&mut self.told, true) {
            say(&format!("{what}: {fault}; trying again until it is back"));
        }
    }

    /// A frame has gone through: what fails next is another outage. Returns whether there was one.
    pub(crate) fn well(&mut self) -> bool {
        std::mem::take(&mut self.told)
    }
}

/// Nobody may be listening, and that is no reason to stop.
pub(crate) fn say(words: &str) {
    let _ = writeln!(io::stderr(), "{words}");
}
