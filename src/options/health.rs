//! The options of `framecast health`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::access::{AccessError, TokenArgs};
use super::given::{Each, List, One};
use super::listen::{self, Listen};
use super::values::{path, secret};
use crate::health::Query;
use crate::text::secret::{Credentials, SecretAddress};
use crate::trust::Trust;

/// The server's address if neither the command line nor FRAMECAST_LISTEN gives one.
const URL_DEFAULT: &str = "http://127.0.0.1:8080/";

/// The options of `framecast health`.
#[derive(Debug, Args)]
#[command(mut_arg("token", |arg| arg.help("Token to send; better set the variable").long_help(
    "Token to send, as Authorization: Bearer. Better set the variable: every user of this machine \
     can read the argument list.")))]
#[command(mut_arg("token_file", |arg| arg.help("File whose first line is the token to send").long_help(None::<&str>)))]
pub struct Health {
    /// Address of the server: http://HOST:PORT/ or https://HOST:PORT/
    ///
    /// It may contain USER:PASSWORD@ or ?token=TEXT; with ?strict=1, each camera must be online.
    /// [default: the first of FRAMECAST_LISTEN, or http://127.0.0.1:8080/]
    #[arg(value_parser = One(secret))]
    url: Option<SecretAddress>,

    /// User and password to log in with; better set the variable
    ///
    /// Every user of this machine can read the argument list.
    #[arg(
        long,
        value_name = "USER:PASSWORD",
        env = "FRAMECAST_AUTH",
        hide_env_values = true
    )]
    #[arg(value_parser = One(credentials))]
    auth: Option<Credentials>,

    #[command(flatten)]
    token: TokenArgs,

    /// Certificates to accept besides the system's, in PEM format
    ///
    /// Certificates signed by one of them are accepted too.
    #[arg(long, value_name = "FILE", env = "FRAMECAST_TLS_CERT", value_parser = One(path))]
    ca: Option<PathBuf>,

    /// Accept any certificate
    #[arg(long)]
    insecure: bool,

    /// The addresses that the server listens on
    #[arg(long, hide = true, env = "FRAMECAST_LISTEN", value_parser = Each(listen::parse, Some(',')))]
    listen: Vec<List<Listen>>,
}

impl Health {
    /// Returns the request to make.
    ///
    /// # Errors
    /// The token is invalid, or its file cannot be read.
    pub fn query(self) -> Result<Query, AccessError> {
        let Self {
            url,
            auth,
            token,
            ca,
            insecure,
            listen,
        } = self;
        let default = List::values(listen)
            .into_iter()
            .find_map(|listen| url_of(&listen, ca.is_some()));
        Ok(Query {
            url: url
                .or(default)
                .unwrap_or_else(|| SecretAddress::new(URL_DEFAULT)),
            credentials: auth,
            token: token.secret()?.map(|token| token.as_str().to_owned()),
            trust: Trust {
                certificates: ca,
                is_insecure: insecure,
            },
        })
    }
}

/// Returns the URL at which this machine reaches a server with that listener; `None` for a Unix
/// socket.
fn url_of(listen: &Listen, has_certificate: bool) -> Option<SecretAddress> {
    let (scheme, place) = match listen {
        Listen::Http(place) => ("http", place),
        Listen::Https(place) => ("https", place),
        Listen::NoScheme(place) => (if has_certificate { "https" } else { "http" }, place),
        Listen::Unix(_) => return None,
    };
    let place = match place.parse::<SocketAddr>() {
        Ok(SocketAddr::V4(address)) if address.ip().is_unspecified() => {
            format!("127.0.0.1:{}", address.port())
        }
        Ok(SocketAddr::V6(address)) if address.ip().is_unspecified() => {
            format!("[::1]:{}", address.port())
        }
        _ => place.clone(),
    };
    Some(SecretAddress::new(format!("{scheme}://{place}/")))
}

fn credentials(text: &str) -> Result<Credentials, String> {
    Credentials::from_pair(text)
        .ok_or_else(|| "expected USER:PASSWORD without control characters".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_url_follows_from_the_listen_address() {
        for (listen, has_certificate, url) in [
            ("0.0.0.0:8080", false, "http://127.0.0.1:8080/"),
            ("[::]:81", true, "https://[::1]:81/"),
            ("http://192.0.2.1:80", true, "http://192.0.2.1:80/"),
            (
                "https://cam.example.org:443",
                false,
                "https://cam.example.org:443/",
            ),
        ] {
            let address = url_of(&listen::parse(listen).unwrap(), has_certificate).unwrap();
            assert_eq!(address.expose(), url);
        }
        assert_eq!(
            url_of(&listen::parse("unix:/run/socket").unwrap(), false),
            None
        );
    }
}
