//! Digests that only this server can compute, so that comparing them reveals nothing of what they
//! were made of.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// HMAC-SHA256 (RFC 2104) under a key that is drawn at each start.
pub struct Digester(Hmac<Sha256>);

/// A digest of one thing. Without the key it cannot be steered, so the order of two of them reveals
/// nothing; whether two are equal is found out in constant time all the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digester {
    /// A digester with this key.
    pub fn new(key: &[u8]) -> Self {
        Self(keyed(key))
    }

    /// The digest of `bytes`.
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
    /// The first 64 bits, by which a connection names the credential that it was opened with. Never
    /// zero.
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

/// HMAC-SHA256 with this key; it takes one of any length.
pub fn keyed(key: &[u8]) -> Hmac<Sha256> {
    match Hmac::new_from_slice(key) {
        Ok(hmac) => hmac,
        Err(_) => unreachable!("HMAC takes a key of any length (RFC 2104, section 2)"),
    }
}
