//! The URL of a channel or list in Redis: `redis://USER:PASSWORD@HOST:PORT/DB/NAME`, where only
//! `HOST` and `NAME` are required.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::drivers::error::SourceError;
use crate::drivers::parameters::Parameters;
use crate::text::secret::Credentials;
use crate::text::url::Url;

const PORT_DEFAULT: u16 = 6379;

/// The characters to escape in the name of a channel or a key.
const NAME_ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b':')
    .remove(b'~');

/// A channel or a list of a Redis server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether the address is a channel or a list.
    pub kind: AddressKind,
    /// The name of the channel, or the key of the list.
    pub name: String,
    /// The number of the database. Channels exist in all databases.
    pub database: u32,
    /// The credentials, if Redis requires them.
    pub credentials: Option<Credentials>,
    /// Whether to use TLS.
    pub tls: bool,
    /// Whether to accept any certificate, such as a self-signed one.
    pub insecure: bool,
    host: String,
    port: Option<u16>,
}

/// The kind of a Redis object with frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// A channel: each subscriber receives each frame.
    Channel,
    /// A list: each frame goes to exactly one consumer.
    List,
}

impl Address {
    /// The schemes of Redis URLs.
    pub(crate) const SCHEMES: [&str; 4] = ["redis", "rediss", "redis+list", "rediss+list"];

    /// Parses an address. `known` are the parameters allowed in the query and in the fragment, in
    /// addition to `insecure` in the fragment. Returns the address, the query and the fragment.
    pub(crate) fn parse<'a>(
        text: &'a str,
        known: [&[&str]; 2],
    ) -> Result<(Self, Parameters<'a>, Parameters<'a>), SourceError> {
        let (url, credentials, fragment) = Url::parse(text).ok_or(SourceError::RedisAddress)?;
        let scheme = Self::SCHEMES
            .into_iter()
            .find(|scheme| url.scheme() == *scheme);
        let scheme = scheme.ok_or(SourceError::RedisAddress)?;
        let (database, name) = parse_path(url.path()).ok_or(SourceError::RedisAddress)?;
        let query = text
            .split('#')
            .next()
            .and_then(|address| address.split_once('?'))
            .map_or("", |(_, query)| query);
        let query = Parameters::parse(scheme, query, known[0])?;
        let fragment = Parameters::parse(scheme, fragment, &[known[1], &["insecure"]].concat())?;
        let address = Self {
            kind: if scheme.ends_with("+list") {
                AddressKind::List
            } else {
                AddressKind::Channel
            },
            name,
            database,
            credentials,
            tls: scheme.starts_with("rediss"),
            insecure: fragment.flag("insecure")?,
            host: url.host().to_owned(),
            port: url.port(),
        };
        Ok((address, query, fragment))
    }

    /// The host name or IP address, without brackets.
    pub(super) fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or(PORT_DEFAULT)
    }
}

/// The address without user and password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let scheme =
            Self::SCHEMES[usize::from(self.tls) + 2 * usize::from(self.kind == AddressKind::List)];
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let database = if self.database > 0 {
            format!("{}/", self.database)
        } else {
            String::new()
        };
        let name = utf8_percent_encode(&self.name, NAME_ESCAPED);
        write!(f, "{scheme}://{}{port}/{database}{name}", self.host)
    }
}

/// Parses `/NAME` or `/DB/NAME`.
fn parse_path(path: &str) -> Option<(u32, String)> {
    let path = path.strip_prefix('/')?;
    let (database, name) = path.split_once('/').unwrap_or(("0", path));
    let name = percent_decode_str(name)
        .decode_utf8()
        .ok()
        .filter(|_| !name.contains('/'))?;
    (!name.is_empty()).then_some((database.parse().ok()?, name.into_owned()))
}
