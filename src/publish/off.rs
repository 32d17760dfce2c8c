//! `framecast publish`, in a program built without the feature `redis`: every target is refused.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use crate::drivers::SourceError;
use crate::text::secret::SecretAddress;

pub const PUBLISHING: &str = "publishing to ";
pub const TARGET_VARIABLE: &str = "FRAMECAST_TARGET";

/// A target that cannot exist.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {}

impl Target {
    pub fn written(&self) -> &SecretAddress {
        match *self {}
    }
}

impl FromStr for Target {
    type Err = SourceError;

    fn from_str(_: &str) -> Result<Self, SourceError> {
        Err(SourceError::WithoutRedis)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, _: &mut fmt::Formatter) -> fmt::Result {
        match *self {}
    }
}

/// # Errors
/// There is no target to publish at.
pub fn run(target: &Target, _: usize) -> Result<(), Infallible> {
    match *target {}
}
