//! The options of `framecast health`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::access::{AccessError, Token};
use super::given::{Each, List, One};
use super::listen::{self, Listen};
use super::values::{path, secret};
use crate::health::Query;
use crate::trust::Trust;
use crate::wire::secret::{Credentials, SecretAddress};

/// What is asked unless an address is given, on the command line or for the server by a variable.
const URL_DEFAULT: &str = "http://127.0.0.1:8080/";

/// The options of `framecast health`.
#[derive(Debug, Args)]
#[command(mut_arg("token", |arg| arg.help("Send this token, as Authorization: Bearer; rather from the variable")))]
#[command(mut_arg("token_file", |arg| arg.help("Send the token on the first line of a file")))]
pub struct Health {
    /// The server's address, which may hold USER:PASSWORD@ or ?token=TEXT [default: the first of
    /// FRAMECAST_LISTEN, or http://127.0.0.1:8080/]
    #[arg(value_parser = One(secret))]
    url: Option<SecretAddress>,

    /// Log in with this user and password; rather from the variable, which no list of processes
    /// shows
    #[arg(
        long,
        value_name = "USER:PASSWORD",
        env = "FRAMECAST_AUTH",
        hide_env_values = true
    )]
    #[arg(value_parser = One(pair))]
    auth: Option<Credentials>,

    /// The token to send
    #[command(flatten)]
    token: Token,

    /// Accept the certificates of this file, in PEM form, and those that they have signed, besides
    /// those that the system trusts
    #[arg(long, value_name = "FILE", env = "FRAMECAST_TLS_CERT", value_parser = One(path))]
    ca: Option<PathBuf>,

    /// Accept any certificate
    #[arg(long)]
    insecure: bool,

    /// The addresses of the server
    #[arg(long, hide = true, env = "FRAMECAST_LISTEN", value_parser = Each(listen::parse, Some(',')))]
    listen: Vec<List<Listen>>,
}

impl Health {
    /// What to ask.
    ///
    /// # Errors
    /// A token cannot be had.
    pub fn query(self) -> Result<Query, AccessError> {
        let Self {
            url,
            auth,
            token,
            ca,
            insecure,
            listen,
        } = self;
        let own = List::values(listen)
            .into_iter()
            .find_map(|listen| address_of(&listen, ca.is_some()));
        Ok(Query {
            url: url
                .or(own)
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

/// Where a server that listens so can be asked from the same machine; `None` on a Unix socket.
fn address_of(listen: &Listen, has_certificate: bool) -> Option<SecretAddress> {
    let (scheme, place) = match listen {
        Listen::Http(place) => ("http", place),
        Listen::Https(place) => ("https", place),
        Listen::Either(place) => (if has_certificate { "https" } else { "http" }, place),
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

fn pair(text: &str) -> Result<Credentials, String> {
    Credentials::from_pair(text)
        .ok_or_else(|| "a login is USER:PASSWORD, without control characters".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_is_asked_where_it_listens() {
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
            let address = address_of(&listen::parse(listen).unwrap(), has_certificate).unwrap();
            assert_eq!(address.expose(), url);
        }
        assert_eq!(
            address_of(&listen::parse("unix:/run/socket").unwrap(), false),
            None
        );
    }
}
