//! Access control: users, tokens, names, origins and proxies.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgAction, Args};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::cameras::name;
use super::given::{Each, Given, List, One, Placed};
use super::values::{count, path, switch, text, time};
use crate::server::credentials::{CredentialSources, Credentials, CredentialsError, TokenSource};
use crate::site::auth::{Policy, Secret};
use crate::site::origins::{Origin, Origins};
use crate::stream::client_net::NetworkError;
use crate::stream::{Network, TrustedProxies};
use crate::wire::secret::MASK;

/// The variable that stands in for `--token`.
const TOKEN_VARIABLE: &str = "FRAMECAST_TOKEN";

/// What is escaped of a token in a link: all but the unreserved characters (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The options of `framecast serve` for access control.
#[derive(Debug, Args)]
#[command(next_help_heading = "Access")]
pub struct Access {
    /// Ask for a user and password: a file of lines user:password or user:hash, the hash by bcrypt
    /// (htpasswd -B) or Argon2
    #[arg(long, value_name = "FILE", env = "FRAMECAST_AUTH_FILE", value_parser = One(path))]
    auth_file: Option<PathBuf>,

    /// A token to ask for
    #[command(flatten)]
    token: Token,

    /// Serve public addresses though there are no credentials
    #[arg(long, env = "FRAMECAST_PUBLIC", value_name = "BOOL", value_parser = One(switch), action = ArgAction::Set)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false)]
    #[arg(hide_default_value = true)]
    public: bool,

    /// A name by which this server is asked for, besides its addresses, its own name, names without
    /// a dot, those under .local, and from private addresses those under .lan, .home, .home.arpa,
    /// .internal, .localdomain and .fritz.box; without credentials, others are refused. May be
    /// given several times
    #[arg(long, value_name = "NAME", env = "FRAMECAST_ALLOW_HOST", value_parser = Each(host, Some(',')))]
    allow_host: Vec<List<String>>,

    /// Let the pages of another origin, such as https://dash.example.org, use what is served; * for
    /// all. May be given several times
    #[arg(long, value_name = "ORIGIN", env = "FRAMECAST_ALLOW_ORIGIN")]
    #[arg(value_parser = Each(origin, Some(',')))]
    allow_origin: Vec<List<Origin>>,

    /// A reverse proxy, as an address, a range such as 172.18.0.0/16, or unix for those behind a
    /// Unix socket: the client is the one that its X-Forwarded-For or Forwarded names. May be given
    /// several times
    #[arg(long, value_name = "NET", env = "FRAMECAST_TRUSTED_PROXY", value_parser = Each(proxy, Some(',')))]
    trusted_proxy: Vec<List<TrustedProxy>>,

    /// Connections at one time from one IPv4 address or IPv6 network (/64) other than this machine
    #[arg(
        long,
        value_name = "N",
        env = "FRAMECAST_CONNECTIONS_PER_ADDRESS",
        default_value_t = 256
    )]
    #[arg(value_parser = One(count), allow_negative_numbers = true)]
    pub(super) connections_per_address: u32,
}

/// A token, in one of the ways to give it.
#[derive(Args)]
pub struct Token {
    /// Ask for this token, as ?token=TEXT or Authorization: Bearer; others see it in the list of
    /// processes, so rather give it as a file or variable
    #[arg(long, value_name = "TEXT", env = TOKEN_VARIABLE, hide_env_values = true)]
    #[arg(value_parser = Placed(text))]
    token: Option<Given<String>>,

    /// The same, from the first line of a file
    #[arg(long, value_name = "FILE", env = "FRAMECAST_TOKEN_FILE", value_parser = One(path))]
    token_file: Option<PathBuf>,
}

/// The options of `framecast token`.
#[derive(Debug, Args)]
pub struct Sign {
    /// Open only the streams and snapshots of this camera; without it, everything
    #[arg(long, value_name = "NAME", value_parser = One(name))]
    pub camera: Option<String>,
    /// For how long from now
    #[arg(long, value_name = "TIME", value_parser = One(time))]
    pub valid: Duration,
    /// Print a link instead: the address of the server, such as `https://cam.example.org/`, with
    /// the token in it
    #[arg(long, value_name = "BASE")]
    // Read later: a value that is refused here is repeated, and there may be a login in it.
    url: Option<String>,
    /// The server's own token
    #[command(flatten)]
    token: Token,
}

/// A peer that may name its clients.
#[derive(Clone, Copy, Debug)]
enum TrustedProxy {
    Network(Network),
    Unix,
}

/// The address that a link begins with.
#[derive(Clone, Debug)]
pub struct Base(String);

/// Credentials that cannot be had. What is secret in them is not repeated.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A file.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// What was given as a token is none.
    // Without a colon: what follows "token:" is masked as a secret.
    #[error("{place} is not valid; {fault}")]
    TokenText {
        /// The option or variable that holds it.
        place: String,
        /// What a token is.
        fault: &'static str,
    },
    /// Two ways to give a token.
    #[error("--token and --token-file are both given; give one of them")]
    TokenTwice,
    /// No address to make a link of.
    #[error(
        "--url: a base is the server's address without a login, such as https://cam.example.org/"
    )]
    Base,
    /// Nothing to sign with.
    #[error(
        "a token is signed with the server's own: give it with --token-file FILE or FRAMECAST_TOKEN"
    )]
    NoToken,
}

impl Access {
    /// The options as the server takes them, and where the credentials are read again.
    pub(super) fn policy(self) -> Result<(Policy, CredentialSources), AccessError> {
        let sources = CredentialSources {
            auth_file: self.auth_file,
            token: self.token.source()?,
        };
        let Credentials { accounts, secret } = sources.load()?;
        let policy = Policy {
            accounts,
            secret,
            is_public: self.public,
            hosts: List::values(self.allow_host),
            origins: Origins::of(List::values(self.allow_origin)),
            trusted_proxies: trusted_proxies(&List::values(self.trusted_proxy)),
        };
        if policy.is_public && !policy.has_credentials() {
            log::warn!("--public: everybody who can reach this server can see its cameras");
        }
        Ok((policy, sources))
    }
}

/// Those proxies in one value.
fn trusted_proxies(given: &[TrustedProxy]) -> TrustedProxies {
    let network = |proxy: &TrustedProxy| match proxy {
        TrustedProxy::Network(network) => Some(*network),
        TrustedProxy::Unix => None,
    };
    let networks: Vec<Network> = given.iter().filter_map(network).collect();
    TrustedProxies {
        local: networks.len() < given.len(),
        networks,
    }
}

fn proxy(text: &str) -> Result<TrustedProxy, String> {
    match text {
        "unix" | "unix:" => Ok(TrustedProxy::Unix),
        network => network
            .parse()
            .map(TrustedProxy::Network)
            .map_err(|error: NetworkError| error.to_string()),
    }
}

impl Base {
    /// The link that opens it with `token`.
    pub fn link(&self, token: &str) -> String {
        let Base(base) = self;
        let mark = if base.contains('?') { '&' } else { '?' };
        format!("{base}{mark}token={}", utf8_percent_encode(token, ESCAPED))
    }
}

impl FromStr for Base {
    type Err = AccessError;

    /// Without a path it is the page.
    fn from_str(text: &str) -> Result<Self, AccessError> {
        let host_on = ["http://", "https://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let is_plain = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte));
        let end_of_host = |rest: &str| rest.find(['/', '?']).unwrap_or(rest.len());
        match host_on.map(|rest| rest.split_at(end_of_host(rest))) {
            Some((host, rest)) if is_plain && !host.is_empty() && !host.contains('@') => {
                let path = if rest.starts_with('/') { "" } else { "/" };
                let scheme = &text[..text.len() - host.len() - rest.len()];
                Ok(Self(format!("{scheme}{host}{path}{rest}")))
            }
            _ => Err(AccessError::Base),
        }
    }
}

impl Sign {
    /// The address to make a link of, if one is wanted.
    ///
    /// # Errors
    /// It is none.
    pub fn base(&self) -> Result<Option<Base>, AccessError> {
        self.url.as_deref().map(str::parse).transpose()
    }

    /// The token to sign with.
    ///
    /// # Errors
    /// There is none, or it cannot be had.
    pub fn secret(self) -> Result<Secret, AccessError> {
        self.token.secret()?.ok_or(AccessError::NoToken)
    }
}

/// The token is not shown.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let token = self.token.as_ref().map(|_| MASK);
        f.debug_struct("Token")
            .field("token", &token)
            .field("token_file", &self.token_file)
            .finish()
    }
}

impl Token {
    /// The token, if one is given. A file is read here.
    pub(super) fn secret(self) -> Result<Option<Secret>, AccessError> {
        let sources = CredentialSources {
            auth_file: None,
            token: self.source()?,
        };
        Ok(sources.load()?.secret)
    }

    fn source(self) -> Result<TokenSource, AccessError> {
        match (self.token, self.token_file) {
            (Some(_), Some(_)) => Err(AccessError::TokenTwice),
            (None, None) => Ok(TokenSource::None),
            (
                Some(Given {
                    value,
                    place,
                    is_variable,
                }),
                None,
            ) => {
                let token = Secret::from_str(&value);
                let token = token.map_err(|fault| AccessError::TokenText { place, fault })?;
                if !is_variable {
                    log::warn!(
                        "--token: others see it in the list of processes; rather give --token-file FILE"
                    );
                }
                Ok(TokenSource::Given(token))
            }
            (None, Some(path)) => Ok(TokenSource::File(path)),
        }
    }
}

fn host(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !text.is_empty() && text.bytes().all(is_plain) {
        Ok(text.trim_end_matches('.').to_owned())
    } else {
        Err("a host is a name without scheme and port, such as cam.example.org".into())
    }
}

fn origin(text: &str) -> Result<Origin, String> {
    text.parse().map_err(str::to_owned)
}
