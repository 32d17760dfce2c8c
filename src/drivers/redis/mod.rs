//! The sources `redis://` and `redis+list://`: frames that somebody else has published in Redis.
//!
//! A message is the header block of a part and its JPEG ([`parse_message`]), or a JPEG alone. The
//! driver looks after its connection by itself: Redis may be restarted, paused, or cut it off, and
//! nobody who watches has to wait longer than for the next frame.

mod address;
mod connection;
mod error;
mod link;

use std::io;
use std::time::Duration;

use redis::{RedisError, Value, cmd};

pub use self::address::{Address, Place};
pub(crate) use self::connection::Connection;
pub use self::error::{Fault, FromRedisError};
pub(crate) use self::link::{Link, say};

use super::driver::{Driver, FRAME_TIMEOUT_DEFAULT, Parts};
use super::error::{CaptureError, SourceError};
use crate::wire::multipart::parse_message;
use crate::wire::part::Reason;

const TIMEOUT_MAX: Duration = Duration::from_secs(366 * 86_400);

/// `redis://USER:PASSWORD@HOST:PORT/DB/CHANNEL#timeout=5s&insecure=0`, or the same with `rediss`,
/// `redis+list` or `rediss+list` before it; these are the defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Redis {
    /// Where the frames are.
    pub address: Address,
    /// How long there may be no frame while all is well, above 0 and at most a year.
    pub timeout: Duration,
}

impl Redis {
    pub(crate) fn parse(text: &str) -> Result<Self, SourceError> {
        let (address, _, own) = Address::parse(text, [&[], &["timeout"]])?;
        let in_range = |time: &humantime::Duration| !time.is_zero() && **time <= TIMEOUT_MAX;
        let rule = || "a time with its unit, above 0 and at most a year, such as 10s".to_owned();
        let timeout = own.value("timeout", FRAME_TIMEOUT_DEFAULT.into(), in_range, rule)?;
        Ok(Self {
            address,
            timeout: timeout.into(),
        })
    }
}

impl Driver for Redis {
    /// Redis is not asked: it may be started later.
    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }

    fn run(&self, parts: &mut Parts) -> Result<(), CaptureError> {
        let mut receiver = Receiver {
            link: Link::new(&self.address),
            parts,
            said: Vec::new(),
        };
        loop {
            let received = match self.address.place {
                Place::Channel => receiver.subscribe(&self.address.name),
                Place::List => receiver.take(&self.address.name),
            };
            match received {
                Ok(()) => {}
                Err(Interruption::Redis(fault)) if !fault.is_lasting() => {
                    receiver
                        .link
                        .lost(&format!("no frames from {}", self.address), &fault);
                }
                Err(Interruption::Redis(fault)) => {
                    let address = self.address.to_string();
                    return Err(SourceError::Redis(FromRedisError { address, fault }).into());
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

/// What ends the receiving of frames.
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

/// Where the frames go.
struct Receiver<'a, 'b> {
    link: Link<'a>,
    parts: &'a mut Parts<'b>,
    /// The reasons for which messages were left out, as far as they have been said.
    said: Vec<Reason>,
}

impl Receiver<'_, '_> {
    /// Hands on each message of a channel. That Redis has gone is seen by TCP's own probes.
    fn subscribe(&mut self, channel: &str) -> Result<(), Interruption> {
        let mut connection = self.link.connect()?;
        connection.bound_frames(self.parts.frame_bytes_max());
        cmd("SUBSCRIBE").arg(channel).exec(&mut connection)?;
        connection.set_read_timeout(None)?;
        loop {
            // Whatever else comes, as the confirmation of a subscription, is no message.
            let Value::Array(parts) = connection.read()?.extract_error()? else {
                continue;
            };
            if let [Value::BulkString(kind), _, Value::BulkString(message)] = parts.as_slice()
                && kind == b"message"
            {
                self.hand_on(message)?;
            }
        }
    }

    /// Takes frame after frame off the old end of a list.
    fn take(&mut self, key: &str) -> Result<(), Interruption> {
        let mut connection = self.link.connect()?;
        connection.bound_frames(self.parts.frame_bytes_max());
        connection.set_read_timeout(None)?;
        loop {
            let ((), message): ((), Vec<u8>) =
                cmd("BRPOP").arg(key).arg(0).query(&mut connection)?;
            self.hand_on(&message)?;
        }
    }

    fn hand_on(&mut self, message: &[u8]) -> Result<(), Interruption> {
        match parse_message(message, self.parts.frame_bytes_max()) {
            Ok(part) => {
                if self.link.well() {
                    say("frames come again");
                }
                self.parts.relay(part).map_err(Interruption::Output)
            }
            Err(rejected) => {
                if !self.said.contains(&rejected.reason) {
                    self.said.push(rejected.reason);
                    let sentence = rejected.message(self.parts.frame_bytes_max());
                    say(&format!(
                        "a message that is no frame was left out ({sentence}); others like it will be too"
                    ));
                }
                self.parts
                    .report_rejected(rejected.reason)
                    .map_err(Interruption::Output)
            }
        }
    }
}
