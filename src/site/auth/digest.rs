//! Keyed digests of credentials. Only this server can compute them, so comparing them reveals
//! nothing about the credentials.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// HMAC-SHA256 (RFC 2104) with a random key, new at each start.
pub struct Digester(Hmac<Sha256>);

/// A digest. Without the key a client cannot choose it, so the time of an ordered comparison
/// reveals nothing; equality is nevertheless compared in constant time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digester {
    /// Returns a digester with this key.
    pub fn new(key: &[u8]) -> Self {
        Self(keyed(key))
    }

    /// Returns the digest of `bytes`.
    pub fn digest(&self, bytes: &[u8]) -> Digest {
        Digest(
            self.0
                .clone()
                .chain_update(bytes)
                .finalize()
                .into_bytes()
                .into(),
        )
    }
}

impl Digest {
    /// Returns the first 64 bits, never zero. A connection stores them to name the credential that
    /// it was opened with.
    pub fn tag(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h]).max(1)
    }
}

impl ConstantTimeEq for Digest {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

/// Returns HMAC-SHA256 with this key, of any length.
pub fn keyed(key: &[u8]) -> Hmac<Sha256> {
    match Hmac::new_from_slice(key) {
        Ok(hmac) => hmac,
        Err(_) => unreachable!("HMAC takes a key of any length (RFC 2104, section 2)"),
    }
}
