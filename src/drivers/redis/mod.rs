//! The sources `redis://` and `redis+list://`: frames that another program publishes in Redis.
//!
//! A message is the header block of a part and its JPEG ([`parse_message`]), or a JPEG alone. The
//! driver reconnects by itself when Redis restarts, pauses or closes the connection.

mod address;
mod connection;
mod error;
mod link;

use std::io;
use std::time::Duration;

use redis::{RedisError, Value, cmd};

pub use self::address::{Address, AddressKind};
pub(crate) use self::connection::Connection;
pub use self::error::{Fault, RedisSourceError};
pub(crate) use self::link::Link;

use super::driver::{Driver, FRAME_TIMEOUT_DEFAULT, FrameWriter};
use super::error::{CaptureError, SourceError};
use super::stderr::log_line;
use crate::wire::multipart::parse_message;
use crate::wire::part::Reason;

const TIMEOUT_MAX: Duration = Duration::from_secs(366 * 86_400);

/// `redis://USER:PASSWORD@HOST:PORT/DB/CHANNEL#timeout=5s&insecure=0`, or the same with the scheme
/// `rediss`, `redis+list` or `rediss+list`; these are the defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Redis {
    /// The channel or list.
    pub address: Address,
    /// The frame timeout, above 0 and at most a year.
    pub timeout: Duration,
}

impl Redis {
    pub(crate) fn parse(text: &str) -> Result<Self, SourceError> {
        let (address, _, fragment) = Address::parse(text, [&[], &["timeout"]])?;
        let in_range = |time: &humantime::Duration| !time.is_zero() && **time <= TIMEOUT_MAX;
        let expected =
            || "a time with its unit, above 0 and at most a year, such as 10s".to_owned();
        let timeout =
            fragment.value("timeout", FRAME_TIMEOUT_DEFAULT.into(), in_range, expected)?;
        Ok(Self {
            address,
            timeout: timeout.into(),
        })
    }
}

impl Driver for Redis {
    /// Always succeeds: Redis may be started later.
    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }

    fn run(&self, writer: &mut FrameWriter) -> Result<(), CaptureError> {
        let mut receiver = Receiver {
            link: Link::new(&self.address),
            writer,
            logged: Vec::new(),
        };
        loop {
            let received = match self.address.kind {
                AddressKind::Channel => receiver.subscribe(&self.address.name),
                AddressKind::List => receiver.pop(&self.address.name),
            };
            match received {
                Ok(()) => {}
                Err(Interruption::Redis(fault)) if !fault.is_permanent() => {
                    receiver.link.lost(&fault);
                }
                Err(Interruption::Redis(fault)) => {
                    let address = self.address.to_string();
                    return Err(SourceError::Redis(RedisSourceError { address, fault }).into());
                }
                Err(Interruption::Output(error)) => return Err(error),
            }
        }
    }

    fn frame_timeout(&self) -> Option<Duration> {
        Some(self.timeout)
    }

    fn recovers(&self) -> bool {
        true
    }
}

/// Why receiving ended.
enum Interruption {
    Redis(Fault),
    Output(CaptureError),
}

impl From<RedisError> for Interruption {
    fn from(error: RedisError) -> Self {
        Self::Redis(error.into())
    }
}

impl From<io::Error> for Interruption {
    fn from(error: io::Error) -> Self {
        Self::Redis(error.into())
    }
}

impl From<Fault> for Interruption {
    fn from(fault: Fault) -> Self {
        Self::Redis(fault)
    }
}

/// Receives messages and writes their frames.
struct Receiver<'a, 'b> {
    link: Link<'a>,
    writer: &'a mut FrameWriter<'b>,
    /// The reasons of rejected messages that were logged.
    logged: Vec<Reason>,
}

impl Receiver<'_, '_> {
    /// Relays the messages of a channel. Reads have no timeout: a lost connection is detected by
    /// TCP keepalive.
    fn subscribe(&mut self, channel: &str) -> Result<(), Interruption> {
        let mut connection = self.link.connect()?;
        connection.set_frame_bytes_max(self.writer.frame_bytes_max());
        cmd("SUBSCRIBE").arg(channel).exec(&mut connection)?;
        connection.set_read_timeout(None)?;
        loop {
            // Other replies, such as the confirmation of the subscription, are ignored.
            let Value::Array(elements) = connection.read()?.extract_error()? else {
                continue;
            };
            if let [Value::BulkString(kind), _, Value::BulkString(message)] = elements.as_slice()
                && kind == b"message"
            {
                self.relay(message)?;
            }
        }
    }

    /// Pops frames from the end of a list with the oldest one.
    fn pop(&mut self, key: &str) -> Result<(), Interruption> {
        let mut connection = self.link.connect()?;
        connection.set_frame_bytes_max(self.writer.frame_bytes_max());
        connection.set_read_timeout(None)?;
        loop {
            let ((), message): ((), Vec<u8>) =
                cmd("BRPOP").arg(key).arg(0).query(&mut connection)?;
            self.relay(&message)?;
        }
    }

    fn relay(&mut self, message: &[u8]) -> Result<(), Interruption> {
        match parse_message(message, self.writer.frame_bytes_max()) {
            Ok(part) => {
                if self.link.recovered() {
                    log_line("receiving frames again");
                }
                self.writer.relay(part).map_err(Interruption::Output)
            }
            Err(rejected) => {
                if !self.logged.contains(&rejected.reason) {
                    self.logged.push(rejected.reason);
                    let sentence = rejected.message(self.writer.frame_bytes_max());
                    log_line(format_args!(
                        "message rejected: {sentence}; others like it are only counted"
                    ));
                }
                self.writer
                    .report_rejected(rejected.reason)
                    .map_err(Interruption::Output)
            }
        }
    }
}
