//! Addresses to listen on, as they are typed.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use super::OptionsError;
use crate::server::ListenAddress;

/// An address to listen on. Whether it is encrypted may depend on another option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listen {
    Http(String),
    Https(String),
    Either(String),
    Unix(PathBuf),
}

/// Reads an address. A port alone is on the loopback interface, as the default is; `:PORT` and
/// `*:PORT` are on all interfaces, as in other programs.
pub(super) fn parse(text: &str) -> Result<Listen, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return if path.is_empty() {
            Err("unix: takes the path of a socket, as in unix:/run/framecast.sock".into())
        } else {
            Ok(Listen::Unix(PathBuf::from(path)))
        };
    }
    if text.starts_with('/') {
        return Err(format!("a socket's path is written unix:{text}"));
    }
    let (scheme, address) = text.split_once("://").unwrap_or(("", text));
    let listen: fn(String) -> Listen = match scheme.to_ascii_lowercase().as_str() {
        "" => Listen::Either,
        "http" => Listen::Http,
        "https" => Listen::Https,
        _ => return Err(rule("")),
    };
    inet(address.strip_suffix('/').unwrap_or(address)).map(listen)
}

fn inet(address: &str) -> Result<String, String> {
    if is_port(address) {
        return Ok(format!("127.0.0.1:{address}"));
    }
    let unbracketed = |host: &str| host.parse::<Ipv6Addr>().is_ok();
    match address.rsplit_once(':') {
        Some(("" | "*", port)) if is_port(port) => Ok(format!("[::]:{port}")),
        // What `::` and a port mean is ambiguous, so neither is guessed at.
        Some((host, _)) if unbracketed(address) || unbracketed(host) => Err(rule(
            "; an IPv6 address stands in brackets, as in [::]:8080",
        )),
        Some((host, port)) if is_host(host) && is_port(port) => Ok(address.to_owned()),
        None if is_host(address) && !address.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(rule(&format!("; add a port, as in {address}:8080")))
        }
        _ => Err(rule("")),
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

fn rule(more: &str) -> String {
    format!(
        "an address is HOST:PORT or PORT, with a port up to 65535, [::]:PORT, https://HOST:PORT or unix:PATH{more}"
    )
}

/// Settles which addresses are encrypted, and whether that can be had.
pub(super) fn settle(
    listen: Vec<Listen>,
    has_certificate: bool,
) -> Result<Vec<ListenAddress>, OptionsError> {
    let settle = |listen| match listen {
        Listen::Https(address) if !has_certificate => Err(OptionsError::NoCertificate(address)),
        Listen::Either(address) if has_certificate => Ok(ListenAddress::Https(address)),
        Listen::Https(address) => Ok(ListenAddress::Https(address)),
        Listen::Http(address) | Listen::Either(address) => Ok(ListenAddress::Inet(address)),
        Listen::Unix(path) => Ok(ListenAddress::Unix(path)),
    };
    let settled: Vec<ListenAddress> = listen.into_iter().map(settle).collect::<Result<_, _>>()?;
    let is_encrypted = |address: &ListenAddress| matches!(address, ListenAddress::Https(_));
    if has_certificate && !settled.iter().any(is_encrypted) {
        Err(OptionsError::CertificateUnused)
    } else {
        Ok(settled)
    }
}
