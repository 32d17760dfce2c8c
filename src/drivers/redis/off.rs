//! The sources in Redis, in a program built without the feature `redis`: every address is refused.

use super::driver::{Driver, FrameWriter};
use super::error::{CaptureError, SourceError};

/// A source that cannot exist.
#[derive(Clone, Debug, PartialEq)]
pub enum Redis {}

impl Redis {
    pub(crate) fn parse(_: &str) -> Result<Self, SourceError> {
        Err(SourceError::WithoutRedis)
    }
}

impl Driver for Redis {
    fn check(&self) -> Result<(), SourceError> {
        match *self {}
    }

    fn run(&self, _: &mut FrameWriter) -> Result<(), CaptureError> {
        match *self {}
    }
}

pub(crate) struct Address;

impl Address {
    /// The schemes of addresses in Redis.
    pub(crate) const SCHEMES: [&str; 4] = ["redis", "rediss", "redis+list", "rediss+list"];
}
