//! The target of a publisher: `redis://HOST/CHANNEL` or `redis+list://HOST/KEY?max=100`.

use std::fmt;
use std::str::FromStr;

use crate::drivers::SourceError;
use crate::drivers::redis::Address;
use crate::text::secret::SecretAddress;

const FRAMES_MAX_DEFAULT: u32 = 100;
const FRAMES_MAX_MAX: u32 = 1_000_000;

/// The target of a publisher. `Display` shows it as written by the user, with credentials masked.
#[derive(Clone, Debug)]
pub struct Target {
    written: SecretAddress,
    /// The channel or list.
    pub address: Address,
    /// The maximum length of a list, from 1 to 1,000,000. Above it, the oldest frames are dropped.
    pub frames_max: u32,
}

impl Target {
    /// The target as written by the user: for its publisher, and to mask its credentials in other
    /// texts.
    pub fn written(&self) -> &SecretAddress {
        &self.written
    }
}

/// Targets are equal if they are the same channel or list, even if written differently.
impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        (&self.address, self.frames_max) == (&other.address, other.frames_max)
    }
}

impl FromStr for Target {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let (address, query, _) = if text
            .split_once(':')
            .is_some_and(|(scheme, _)| scheme.ends_with("+list"))
        {
            Address::parse(text, [&["max"], &[]])?
        } else {
            Address::parse(text, [&[], &[]])?
        };
        let in_range = |max: &u32| (1..=FRAMES_MAX_MAX).contains(max);
        let expected = || format!("a whole number from 1 to {FRAMES_MAX_MAX}");
        let frames_max = query.value("max", FRAMES_MAX_DEFAULT, in_range, expected)?;
        Ok(Self {
            written: SecretAddress::new(text),
            address,
            frames_max,
        })
    }
}

/// The target as written by the user, with credentials masked.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.written.fmt(f)
    }
}
