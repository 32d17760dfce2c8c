//! Where frames are published: `redis://HOST/CHANNEL` or `redis+list://HOST/KEY?max=100`.

use std::fmt;
use std::str::FromStr;

use crate::drivers::SourceError;
use crate::drivers::redis::Address;
use crate::text::secret::SecretAddress;

const FRAMES_MAX_DEFAULT: u32 = 100;
const FRAMES_MAX_MAX: u32 = 1_000_000;

/// Where frames are published. `Display` shows it as the user wrote it, with credentials masked.
#[derive(Clone, Debug)]
pub struct Target {
    written: SecretAddress,
    /// The channel or list.
    pub address: Address,
    /// So many frames wait in a list at most; then the oldest are dropped. From 1 to 1,000,000.
    pub frames_max: u32,
}

impl Target {
    /// The target as the user wrote it, for its publisher and for masking it in text that mentions
    /// it.
    pub fn written(&self) -> &SecretAddress {
        &self.written
    }
}

/// Targets are equal if frames end up in the same place, however they are written.
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
        let rule = || format!("a whole number from 1 to {FRAMES_MAX_MAX}");
        let frames_max = query.value("max", FRAMES_MAX_DEFAULT, in_range, rule)?;
        Ok(Self {
            written: SecretAddress::new(text),
            address,
            frames_max,
        })
    }
}

/// The target as the user wrote it, with credentials masked.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.written.fmt(f)
    }
}
