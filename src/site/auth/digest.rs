//! Digests that only this server can compute, so that what is compared says nothing of what was given.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// HMAC-SHA256 (RFC 2104) under a key that is drawn anew at each start.
pub struct Digester(Hmac<Sha256>);

/// A digest of one thing. Nobody can steer it without the key, so the order of two of them gives nothing away; whether
/// two are equal is found out in constant time all the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digester {
    /// A digester with this key.
    pub fn new(key: &[u8]) -> Self {
        Self(keyed(key))
    }

    /// The digest of `bytes`.
    pub fn digest(&self, bytes: &[u8]) -> Digest {
        Digest(self.0.clone().chain_update(bytes).finalize().into_bytes().into())
    }
}

impl ConstantTimeEq for Digest {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

/// HMAC-SHA256 with this key; it takes one of any length.
pub fn keyed(key: &[u8]) -> Hmac<Sha256> {
    match Hmac::new_from_slice(key) {
        Ok(hmac) => hmac,
        Err(_) => unreachable!("HMAC takes a key of any length (RFC 2104, section 2)"),
    }
}
