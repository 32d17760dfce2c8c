//! Where frames are published: `redis://HOST/CHANNEL` or `redis+list://HOST/KEY?max=100`.

use std::fmt;
use std::str::FromStr;

use crate::capture::SourceError;
use crate::capture::redis::{Address, Place};

const FRAMES_MAX_DEFAULT: u32 = 100;
const FRAMES_MAX_MAX: u32 = 1_000_000;

/// Where frames are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The channel or list.
    pub address: Address,
    /// So many frames wait in a list at most; then the oldest are dropped. From 1 to 1,000,000.
    pub frames_max: u32,
}

impl Target {
    /// What `Display` gives, and the user and password with it. It parses to an equal target, and is for the publisher
    /// alone: neither a log nor the list of processes may show it.
    pub fn with_secrets(&self) -> String {
        self.write(&self.address.with_secrets())
    }

    fn write(&self, address: &str) -> String {
        let query = match self.address.place {
            Place::Channel => String::new(),
            Place::List => format!("?max={}", self.frames_max),
        };
        format!("{address}{query}#insecure={}", u8::from(self.address.insecure))
    }
}

impl FromStr for Target {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let (address, query, _) = match text.split_once(':').is_some_and(|(scheme, _)| scheme.ends_with("+list")) {
            true => Address::parse(text, [&["max"], &[]])?,
            false => Address::parse(text, [&[], &[]])?,
        };
        let in_range = |max: &u32| (1..=FRAMES_MAX_MAX).contains(max);
        let rule = || format!("a whole number from 1 to {FRAMES_MAX_MAX}");
        let frames_max = query.value("max", FRAMES_MAX_DEFAULT, in_range, rule)?;
        Ok(Self { address, frames_max })
    }
}

/// The target without user and password.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.write(&self.address.to_string()))
    }
}
