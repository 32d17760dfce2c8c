//! The response to a Digest challenge, as curl computes it.

use md5::Md5;
use sha2::digest::Digest as Hash;
use sha2::{Sha256, Sha512_256};

use super::challenge::Challenge;
use crate::text::secret::Credentials;

/// A Digest challenge, and the number of its responses.
#[derive(Debug)]
pub(in crate::drivers::http) struct Digest {
    realm: Vec<u8>,
    nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    algorithm: Option<Vec<u8>>,
    hash: fn(&[u8]) -> String,
    is_session: bool,
    hashes_user: bool,
    stale: bool,
    qop: Option<&'static str>,
    count: u32,
}

impl Digest {
    /// Parses a challenge. `None` if it has another scheme, no nonce, or an unknown algorithm.
    pub(super) fn new(challenge: &Challenge) -> Option<Self> {
        let nonce = challenge.get("nonce").filter(|_| challenge.is_digest())?;
        let algorithm = challenge.get("algorithm").filter(|name| !name.is_empty());
        let name = String::from_utf8_lossy(algorithm.unwrap_or(b"MD5"))
            .trim()
            .to_ascii_lowercase();
        let (name, is_session) = name
            .strip_suffix("-sess")
            .map_or((name.as_str(), false), |name| (name, true));
        let hash = match name {
            "md5" => hash::<Md5>,
            "sha-256" | "sha256" => hash::<Sha256>,
            "sha-512-256" => hash::<Sha512_256>,
            _ => return None,
        };
        let is_true = |name| {
            challenge
                .get(name)
                .is_some_and(|value| value.eq_ignore_ascii_case(b"true"))
        };
        let offers = |wanted: &str| {
            let list = challenge.get("qop").unwrap_or_default();
            let mut options = list.split(|byte| b", \t;".contains(byte));
            options.any(|option| option.eq_ignore_ascii_case(wanted.as_bytes()))
        };
        Some(Self {
            realm: challenge.get("realm").unwrap_or_default().to_vec(),
            nonce: nonce.to_vec(),
            opaque: challenge.get("opaque").map(<[u8]>::to_vec),
            algorithm: algorithm.map(<[u8]>::to_vec),
            hash,
            is_session,
            hashes_user: is_true("userhash"),
            stale: is_true("stale"),
            // `auth` is preferred: all cameras implement it the same way.
            qop: ["auth", "auth-int"].into_iter().find(|qop| offers(qop)),
            count: 0,
        })
    }

    /// Whether the password was right and only the nonce had expired.
    pub(super) fn stale(&self) -> bool {
        self.stale
    }

    /// The value of the `Authorization` field of a GET for `target`.
    pub(super) fn authorization(&mut self, credentials: &Credentials, target: &str) -> Vec<u8> {
        let mut random = [0; 16];
        // If this fails, the cnonce is zero: the camera's nonce still makes the response unique.
        let _ = getrandom::fill(&mut random);
        self.authorization_with(credentials, target, &hex(&random))
    }

    fn authorization_with(
        &mut self,
        Credentials { user, password }: &Credentials,
        target: &str,
        cnonce: &str,
    ) -> Vec<u8> {
        self.count += 1;
        let (count, hash) = (format!("{:08x}", self.count), self.hash);
        let join = |parts: &[&[u8]]| hash(&parts.join(&b':'));
        let (nonce, cnonce_bytes) = (self.nonce.as_slice(), cnonce.as_bytes());
        // A1 and A2 are the names of RFC 7616, section 3.4.
        let mut a1 = join(&[user.as_bytes(), &self.realm, password.as_bytes()]);
        if self.is_session {
            a1 = join(&[a1.as_bytes(), nonce, cnonce_bytes]);
        }
        let empty_body = hash(b"");
        let a2 = match self.qop {
            Some("auth-int") => join(&[b"GET", target.as_bytes(), empty_body.as_bytes()]),
            _ => join(&[b"GET", target.as_bytes()]),
        };
        let response = match self.qop {
            Some(qop) => {
                let (a1, a2) = (a1.as_bytes(), a2.as_bytes());
                join(&[
                    a1,
                    nonce,
                    count.as_bytes(),
                    cnonce_bytes,
                    qop.as_bytes(),
                    a2,
                ])
            }
            None => join(&[a1.as_bytes(), nonce, a2.as_bytes()]),
        };
        let user = if self.hashes_user {
            join(&[user.as_bytes(), &self.realm])
        } else {
            user.clone()
        };
        let mut value = b"Digest ".to_vec();
        put_quoted(&mut value, "username", user.as_bytes());
        put_quoted(&mut value, "realm", &self.realm);
        put_quoted(&mut value, "nonce", nonce);
        put_quoted(&mut value, "uri", target.as_bytes());
        if self.qop.is_some() || self.is_session {
            put_quoted(&mut value, "cnonce", cnonce_bytes);
        }
        if let Some(qop) = self.qop {
            value.extend(format!("nc={count}, qop={qop}, ").bytes());
        }
        put_quoted(&mut value, "response", response.as_bytes());
        if let Some(opaque) = &self.opaque {
            put_quoted(&mut value, "opaque", opaque);
        }
        if let Some(algorithm) = &self.algorithm {
            value.extend([b"algorithm=", algorithm.as_slice(), b", "].concat());
        }
        if self.hashes_user {
            value.extend(b"userhash=true, ");
        }
        value.truncate(value.len() - 2);
        value
    }
}

fn put_quoted(field: &mut Vec<u8>, name: &str, value: &[u8]) {
    field.extend(name.bytes());
    field.extend(b"=\"");
    for &byte in value {
        if matches!(byte, b'"' | b'\\') {
            field.push(b'\\');
        }
        field.push(byte);
    }
    field.extend(b"\", ");
}

fn hash<H: Hash>(bytes: &[u8]) -> String {
    hex(&H::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::challenge::parse;
    use super::*;

    /// The `Authorization` field for the challenge `field` and the user of RFC 7616, section 3.9.1.
    fn authorization(field: &str) -> String {
        let challenges = parse([field.as_bytes()].into_iter());
        let mut digest = challenges.iter().find_map(Digest::new).expect(field);
        let credentials = Credentials {
            user: "Mufasa".to_owned(),
            password: "Circle of Life".to_owned(),
        };
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        String::from_utf8(digest.authorization_with(&credentials, "/dir/index.html", cnonce))
            .unwrap()
    }

    const CHALLENGE: &str = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
        nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
        opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";

    #[test]
    fn responses_equal_those_of_rfc_7616() {
        let md5 = authorization(&format!("{CHALLENGE}, algorithm=md5"));
        assert!(
            md5.contains("response=\"8ca523f5e9506fed4657c9700eebdbec\""),
            "{md5}"
        );
        assert!(
            md5.contains("nc=00000001, qop=auth, ") && md5.ends_with(", algorithm=md5"),
            "{md5}"
        );
        let sha256 = authorization(&format!("{CHALLENGE}, algorithm=SHA-256"));
        assert!(sha256.contains(
            "response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""
        ));
    }

    #[test]
    fn rare_challenges_are_supported() {
        let int = authorization(&CHALLENGE.replace("auth, auth-int", "auth-int"));
        assert!(int.contains("qop=auth-int"), "{int}");
        let old = authorization(&CHALLENGE.replace("qop=\"auth, auth-int\"", "algorithm=SHA-256"));
        assert!(
            !old.contains("qop=") && !old.contains("cnonce=") && old.contains("algorithm=SHA-256"),
            "{old}"
        );
        let unknown = parse([&b"Digest nonce=\"1\", algorithm=SHA-1"[..]].into_iter());
        assert!(
            unknown
                .iter()
                .all(|challenge| Digest::new(challenge).is_none())
        );
    }
}
