//! Cameras with TLS.

use std::net::TcpStream;
use std::sync::Arc;

use crate::support::PICTURES;
use rustls::{ServerConnection, StreamOwned};

use crate::driver::Driver;
use crate::support::certificate::Certificate;
use crate::upstream::{Duplex, Upstream, field, stream_of};

/// A camera with a self-signed certificate for the name `localhost`.
fn encrypted() -> Upstream {
    encrypted_with(&Certificate::new())
}

fn encrypted_with(certificate: &Certificate) -> Upstream {
    let config = certificate.server();
    let wrap = move |stream: TcpStream| -> Box<dyn Duplex> {
        Box::new(StreamOwned::new(
            ServerConnection::new(Arc::clone(&config)).unwrap(),
            stream,
        ))
    };
    Upstream::behind(wrap, |connection| {
        if let Some(request) = connection.request() {
            assert_eq!(field(&request, "Authorization"), None);
            connection.send(stream_of(&PICTURES));
        }
    })
}

#[test]
fn self_signed_certificate_needs_insecure() {
    let upstream = encrypted();
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/video", upstream.address.port());
        let failure = Driver::start(&url).failure();
        let start = format!("{url}: certificate rejected (");
        assert!(failure.starts_with(&start), "{failure}");
        assert!(
            failure.contains("SSL_CERT_FILE") && failure.contains("insecure=1"),
            "{failure}"
        );
        assert_eq!(
            upstream.requests().len(),
            0,
            "nothing is sent to an untrusted server"
        );
    }
    for host in ["localhost", "127.0.0.1"] {
        let mut driver = Driver::start(format!(
            "https://{host}:{}/video#insecure=1",
            upstream.address.port()
        ));
        for picture in PICTURES {
            assert_eq!(driver.frame().jpeg, picture);
        }
    }
}

#[test]
fn plain_http_on_https_is_reported_and_vice_versa() {
    let plain = Upstream::sending(stream_of(&PICTURES));
    let failure =
        Driver::start(plain.url("/").replacen("http", "https", 1) + "#timeout=1s").failure();
    assert!(failure.contains("TLS handshake failed ("), "{failure}");
    let encrypted = encrypted();
    let failure = Driver::start(encrypted.url("/")).failure();
    assert!(failure.contains("check the port"), "{failure}");
}

#[test]
fn certificate_of_system_authority_is_accepted() {
    let certificate = Certificate::new();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.pem");
    certificate.write(&store, folder.path().join("key.pem"));
    let upstream = encrypted_with(&certificate);
    let url = format!("https://localhost:{}/video", upstream.address.port());
    let mut driver = Driver::start_in(&url, ("SSL_CERT_FILE", &store));
    assert_eq!(driver.frame().jpeg, PICTURES[0]);
    let missing = Driver::start_in(&url, ("SSL_CERT_FILE", "/nonexistent".as_ref()));
    assert!(missing.failure().contains("certificate rejected"));
}

#[test]
fn old_tls_is_reported_with_remedy() {
    // A fatal alert: handshake_failure, then protocol_version (RFC 8446, section 6).
    for alert in [
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ] {
        let upstream = Upstream::start(move |connection| {
            connection.first_bytes();
            connection.send(alert);
        });
        let failure = Driver::start(upstream.url("/").replacen("http", "https", 1)).failure();
        assert!(
            failure.contains("too old") && failure.contains("exec:curl -sk"),
            "{failure}"
        );
    }
}
