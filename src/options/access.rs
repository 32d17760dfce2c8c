//! Access control: users, tokens, host names, origins and reverse proxies.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgAction, Args};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::cameras::parse_name;
use super::given::{Each, Given, List, One, Placed};
use super::values::{path, switch, text, time};
use crate::hub::{Network, TrustedProxies};
use crate::server::credentials::{CredentialSources, Credentials, CredentialsError, TokenSource};
use crate::site::auth::{Policy, Secret};
use crate::site::origins::{Origin, Origins};
use crate::stream::client_net::NetworkError;
use crate::text::secret::MASK;

/// The variable of `--token`.
const TOKEN_VARIABLE: &str = "FRAMECAST_TOKEN";

/// The characters of a token that are escaped in a link: all but the unreserved ones (RFC 3986,
/// section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The options of `framecast serve` for access control.
#[derive(Debug, Args)]
#[command(next_help_heading = "Access control")]
pub(super) struct Access {
    /// Users and passwords that give access: a file of lines user:password or user:hash
    ///
    /// The hash is bcrypt (htpasswd -B) or Argon2. SIGHUP reloads the file.
    #[arg(long, value_name = "FILE", env = "FRAMECAST_AUTH_FILE", value_parser = One(path))]
    auth_file: Option<PathBuf>,

    #[command(flatten)]
    token: TokenArgs,

    /// Serve clients with public IP addresses although no user, password or token is set
    #[arg(long, env = "FRAMECAST_PUBLIC", value_name = "BOOL", value_parser = One(switch), action = ArgAction::Set)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false)]
    #[arg(hide_default_value = true)]
    public: bool,

    /// Host name of this server to accept in requests; may be given several times
    ///
    /// Only needed without credentials. Always accepted are IP addresses, this machine's name,
    /// names without a dot and names under .local or .localhost; from private addresses also those
    /// under .lan, .home, .home.arpa, .internal, .localdomain and .fritz.box. Other names get 421,
    /// which prevents DNS rebinding. Several names in one value are separated by commas.
    #[arg(long, value_name = "NAME", env = "FRAMECAST_ALLOW_HOST", value_parser = Each(host, Some(',')))]
    allow_host: Vec<List<String>>,

    /// Web origin whose pages may read this server's responses; may be given several times
    ///
    /// For example https://dash.example.org, or * for all (CORS). Without it, pages of other
    /// origins can only show streams and snapshots as <img>. Several origins in one value are
    /// separated by commas.
    #[arg(long, value_name = "ORIGIN", env = "FRAMECAST_ALLOW_ORIGIN")]
    #[arg(value_parser = Each(origin, Some(',')))]
    allow_origin: Vec<List<Origin>>,

    /// Reverse proxy whose X-Forwarded-For or Forwarded is used; may be given several times
    ///
    /// An IP address, a network such as 172.18.0.0/16, or unix for a proxy that connects to a
    /// unix: listener. The client is then the rightmost address in the field that is not a trusted
    /// proxy's. Several proxies in one value are separated by commas.
    #[arg(long, value_name = "NET", env = "FRAMECAST_TRUSTED_PROXY", value_parser = Each(proxy, Some(',')))]
    trusted_proxy: Vec<List<TrustedProxy>>,
}

/// The options for a token: its text, or the file that contains it.
#[derive(Args)]
pub(super) struct TokenArgs {
    /// Token that gives access, as ?token=TEXT or Authorization: Bearer; better set the variable
    ///
    /// 1 to 256 printable ASCII characters without a space; 16 or more to sign tokens that expire
    /// (see "framecast help token"). Every user of this machine can read the argument list.
    #[arg(long, value_name = "TEXT", env = TOKEN_VARIABLE, hide_env_values = true)]
    #[arg(value_parser = Placed(text))]
    token: Option<Given<String>>,

    /// File whose first line is the token
    ///
    /// SIGHUP reloads the file.
    #[arg(long, value_name = "FILE", env = "FRAMECAST_TOKEN_FILE", value_parser = One(path))]
    token_file: Option<PathBuf>,
}

/// The options of `framecast token`.
#[derive(Debug, Args)]
#[command(mut_arg("token", |arg| arg.help("The server's token; better set the variable").long_help(
    "The server's token. Better set the variable: every user of this machine can read the argument \
     list.")))]
#[command(mut_arg("token_file", |arg| arg.help("File whose first line is the server's token").long_help(None::<&str>)))]
pub struct Token {
    /// Name of the camera that the token gives access to [default: the whole server]
    #[arg(long, value_name = "NAME", value_parser = One(parse_name))]
    pub camera: Option<String>,
    /// Time from now after which the token expires, such as 30m, 12h or 7days
    #[arg(long, value_name = "TIME", value_parser = One(time))]
    pub valid: Duration,
    /// Address of the server; prints a link with the token in it, not the token alone
    ///
    /// For example https://cam.example.org/
    #[arg(long, value_name = "BASE")]
    // Parsed later: clap repeats a value that its parser rejects, and this may contain a password.
    url: Option<String>,
    #[command(flatten)]
    token: TokenArgs,
}

/// A peer whose header fields about its clients are trusted.
#[derive(Clone, Copy, Debug)]
enum TrustedProxy {
    Network(Network),
    Unix,
}

/// The server's address, to which [`Base::link`] adds a token.
#[derive(Clone, Debug)]
pub struct Base(String);

/// Invalid credentials, or credentials that cannot be loaded. Secrets are not repeated.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A file cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The token is invalid.
    // No colon follows "token": the text behind "token:" would be masked as a secret.
    #[error("{place} is invalid; {problem}")]
    TokenText {
        /// The option or variable that holds it.
        place: String,
        /// The rule for tokens.
        problem: &'static str,
    },
    /// Both options for a token are given.
    #[error("--token and --token-file: both are given; remove one of them")]
    DuplicateToken,
    /// The base of a link is invalid.
    #[error(
        "--url: expected the server's address without a login, such as https://cam.example.org/"
    )]
    Base,
    /// No token to sign with.
    #[error(
        "no token to sign with; give the server's token by --token-file FILE or FRAMECAST_TOKEN"
    )]
    NoToken,
}

impl Access {
    /// Loads the credentials; returns the policy and the sources from which SIGHUP reloads them.
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
            origins: Origins::new(List::values(self.allow_origin)),
            trusted_proxies: trusted_proxies(&List::values(self.trusted_proxy)),
        };
        if policy.is_public && !policy.has_credentials() {
            log::warn!(
                "--public: no credentials are set, so every client that reaches this server can watch its cameras"
            );
        }
        Ok((policy, sources))
    }
}

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
    /// Returns a link to the server that contains `token`.
    pub fn link(&self, token: &str) -> String {
        let Base(base) = self;
        let separator = if base.contains('?') { '&' } else { '?' };
        format!(
            "{base}{separator}token={}",
            utf8_percent_encode(token, ESCAPED)
        )
    }
}

impl FromStr for Base {
    type Err = AccessError;

    /// Parses an `http://` or `https://` URL. The path may be missing: it is then `/`.
    fn from_str(text: &str) -> Result<Self, AccessError> {
        let after_scheme = ["http://", "https://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let is_plain = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte));
        let end_of_host = |rest: &str| rest.find(['/', '?']).unwrap_or(rest.len());
        match after_scheme.map(|rest| rest.split_at(end_of_host(rest))) {
            Some((host, rest)) if is_plain && !host.is_empty() && !host.contains('@') => {
                let path = if rest.starts_with('/') { "" } else { "/" };
                let scheme = &text[..text.len() - host.len() - rest.len()];
                Ok(Self(format!("{scheme}{host}{path}{rest}")))
            }
            _ => Err(AccessError::Base),
        }
    }
}

impl Token {
    /// Returns the base of the link to print, if `--url` is given.
    ///
    /// # Errors
    /// It is no URL, or contains a login.
    pub fn base(&self) -> Result<Option<Base>, AccessError> {
        self.url.as_deref().map(str::parse).transpose()
    }

    /// Returns the server's token, which signs the new one.
    ///
    /// # Errors
    /// It is missing or invalid, or its file cannot be read.
    pub fn secret(self) -> Result<Secret, AccessError> {
        self.token.secret()?.ok_or(AccessError::NoToken)
    }
}

/// Masks the token.
impl fmt::Debug for TokenArgs {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let token = self.token.as_ref().map(|_| MASK);
        f.debug_struct("TokenArgs")
            .field("token", &token)
            .field("token_file", &self.token_file)
            .finish()
    }
}

impl TokenArgs {
    /// Returns the token, if one is given. Reads `--token-file`.
    pub(super) fn secret(self) -> Result<Option<Secret>, AccessError> {
        let sources = CredentialSources {
            auth_file: None,
            token: self.source()?,
        };
        Ok(sources.load()?.secret)
    }

    fn source(self) -> Result<TokenSource, AccessError> {
        match (self.token, self.token_file) {
            (Some(_), Some(_)) => Err(AccessError::DuplicateToken),
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
                let token = token.map_err(|problem| AccessError::TokenText { place, problem })?;
                if !is_variable {
                    log::warn!(
                        "--token: every user of this machine can read the argument list; use --token-file \
                         or {TOKEN_VARIABLE}"
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
        Err("expected a host name without scheme and port, such as cam.example.org".into())
    }
}

fn origin(text: &str) -> Result<Origin, String> {
    text.parse().map_err(str::to_owned)
}
