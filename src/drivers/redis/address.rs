//! Where frames lie in Redis: `redis://USER:PASSWORD@HOST:PORT/DB/NAME`, of which only `HOST` and
//! `NAME` must be there.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::drivers::error::SourceError;
use crate::drivers::parameters::Parameters;
use crate::text::secret::Credentials;
use crate::text::url::Url;

const PORT_DEFAULT: u16 = 6379;

/// What need not be escaped in the name of a channel or a key.
const NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b':')
    .remove(b'~');

/// A channel or a list, and the Redis it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// What stands at the address.
    pub place: Place,
    /// The name of the channel, or the key of the list.
    pub name: String,
    /// The number of the database; channels are the same in all of them.
    pub database: u32,
    /// Who asks, where Redis wants to know.
    pub credentials: Option<Credentials>,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Whether any certificate will do, as for a Redis that has signed its own.
    pub insecure: bool,
    host: String,
    port: Option<u16>,
}

/// What frames are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A channel: every subscriber gets every frame.
    Channel,
    /// A list: every frame goes to exactly one of those who take from it.
    List,
}

impl Address {
    /// The schemes of addresses in Redis.
    pub(crate) const SCHEMES: [&str; 4] = ["redis", "rediss", "redis+list", "rediss+list"];

    /// Reads an address. What its query and its fragment may hold is the caller's to say: besides
    /// `insecure`, the parameters that are `known` in either. Hands back both.
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
            place: if scheme.ends_with("+list") {
                Place::List
            } else {
                Place::Channel
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

    /// The name or the address of the host, without brackets.
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
            Self::SCHEMES[usize::from(self.tls) + 2 * usize::from(self.place == Place::List)];
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let database = if self.database > 0 {
            format!("{}/", self.database)
        } else {
            String::new()
        };
        let name = utf8_percent_encode(&self.name, NAME);
        write!(f, "{scheme}://{}{port}/{database}{name}", self.host)
    }
}

/// Reads `/NAME` or `/DB/NAME`.
fn parse_path(path: &str) -> Option<(u32, String)> {
    let path = path.strip_prefix('/')?;
    let (database, name) = path.split_once('/').unwrap_or(("0", path));
    let name = percent_decode_str(name)
        .decode_utf8()
        .ok()
        .filter(|_| !name.contains('/'))?;
    (!name.is_empty()).then_some((database.parse().ok()?, name.into_owned()))
}
