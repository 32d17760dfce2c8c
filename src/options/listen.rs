//! The addresses to listen on and the certificate.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use clap::Args;

use super::error::OptionsError;
use super::given::{Each, List, One};
use super::values::text;
use crate::server::{ListenAddress, TlsFiles};

/// The options of `framecast serve` for its listeners.
#[derive(Debug, Args)]
#[command(next_help_heading = "Listening")]
pub(super) struct Listening {
    /// Address to listen on; may be given several times
    ///
    /// PORT (on 127.0.0.1), HOST:PORT, [::]:PORT (all interfaces), unix:PATH, or HOST:PORT after
    /// https:// or http://. Without a scheme it is HTTPS if there is a certificate, HTTP otherwise.
    /// Port 0 lets the system choose. Several addresses in one value are separated by commas.
    #[arg(long, short, value_name = "ADDRESS", env = "FRAMECAST_LISTEN")]
    #[arg(default_value = "127.0.0.1:8080", value_parser = Each(parse, Some(',')))]
    listen: Vec<List<Listen>>,

    /// Certificate chain for HTTPS, in PEM format: the server's own certificate first
    ///
    /// SIGHUP reloads it together with its key; connections that are open stay so.
    #[arg(long, value_name = "FILE", env = "FRAMECAST_TLS_CERT", requires = "tls_key", value_parser = One(text))]
    tls_cert: Option<String>,

    /// Private key of the certificate, in PEM format and not encrypted
    #[arg(long, value_name = "FILE", env = "FRAMECAST_TLS_KEY", requires = "tls_cert", value_parser = One(text))]
    tls_key: Option<String>,
}

impl Listening {
    /// Returns the addresses with their schemes, and the files of the certificate.
    ///
    /// # Errors
    /// An HTTPS address has no certificate, or there is a certificate and no HTTPS address.
    pub(super) fn resolve(self) -> Result<(Vec<ListenAddress>, Option<TlsFiles>), OptionsError> {
        let files = self.tls_cert.zip(self.tls_key);
        let tls = files.map(|(certificate, key)| TlsFiles { certificate, key });
        let listen = resolve(List::values(self.listen), tls.is_some())?;
        Ok((listen, tls))
    }
}

/// An address to listen on, as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listen {
    Http(String),
    Https(String),
    /// HTTPS if there is a certificate, HTTP otherwise.
    NoScheme(String),
    Unix(PathBuf),
}

/// Parses an address. A port alone means the loopback interface, as the default does; `:PORT` and
/// `*:PORT` mean all interfaces, as in other programs.
pub(super) fn parse(text: &str) -> Result<Listen, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return if path.is_empty() {
            Err("unix: expected the path of a socket, as in unix:/run/framecast.sock".into())
        } else {
            Ok(Listen::Unix(PathBuf::from(path)))
        };
    }
    if text.starts_with('/') {
        return Err(format!("the path of a socket needs a prefix: unix:{text}"));
    }
    let (scheme, address) = text.split_once("://").unwrap_or(("", text));
    let listen: fn(String) -> Listen = match scheme.to_ascii_lowercase().as_str() {
        "" => Listen::NoScheme,
        "http" => Listen::Http,
        "https" => Listen::Https,
        _ => return Err(expected_address("")),
    };
    parse_inet(address.strip_suffix('/').unwrap_or(address)).map(listen)
}

fn parse_inet(address: &str) -> Result<String, String> {
    if is_port(address) {
        return Ok(format!("127.0.0.1:{address}"));
    }
    let is_bare_ipv6 = |host: &str| host.parse::<Ipv6Addr>().is_ok();
    match address.rsplit_once(':') {
        Some(("" | "*", port)) if is_port(port) => Ok(format!("[::]:{port}")),
        // `::1:8080` could be an address alone, or one with a port.
        Some((host, _)) if is_bare_ipv6(address) || is_bare_ipv6(host) => Err(expected_address(
            "; put an IPv6 address in brackets, as in [::]:8080",
        )),
        Some((host, port)) if is_host(host) && is_port(port) => Ok(address.to_owned()),
        None if is_host(address) && !address.bytes().all(|byte| byte.is_ascii_digit()) => Err(
            expected_address(&format!("; add a port, as in {address}:8080")),
        ),
        _ => Err(expected_address("")),
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn is_host(text: &str) -> bool {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    match inner {
        Some(inner) => inner
            .split('%')
            .next()
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => !text.is_empty() && !text.contains(['/', ':', '[', ']', '*', '@', ' ', '?']),
    }
}

fn expected_address(remedy: &str) -> String {
    format!(
        "expected HOST:PORT, PORT (0 to 65535), [::]:PORT, https://HOST:PORT or unix:PATH{remedy}"
    )
}

fn resolve(listen: Vec<Listen>, has_certificate: bool) -> Result<Vec<ListenAddress>, OptionsError> {
    let resolve_scheme = |listen| match listen {
        Listen::Https(address) if !has_certificate => Err(OptionsError::NoCertificate(address)),
        Listen::NoScheme(address) if has_certificate => Ok(ListenAddress::Https(address)),
        Listen::Https(address) => Ok(ListenAddress::Https(address)),
        Listen::Http(address) | Listen::NoScheme(address) => Ok(ListenAddress::Inet(address)),
        Listen::Unix(path) => Ok(ListenAddress::Unix(path)),
    };
    let resolved: Vec<ListenAddress> = listen
        .into_iter()
        .map(resolve_scheme)
        .collect::<Result<_, _>>()?;
    let is_https = |address: &ListenAddress| matches!(address, ListenAddress::Https(_));
    if has_certificate && !resolved.iter().any(is_https) {
        Err(OptionsError::CertificateUnused)
    } else {
        Ok(resolved)
    }
}
