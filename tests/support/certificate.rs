//! A self-signed certificate for `localhost`, with TLS configurations of server and client.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A certificate and its key.
pub struct Certificate(rcgen::CertifiedKey<rcgen::KeyPair>);

impl Certificate {
    pub fn new() -> Self {
        Self(
            rcgen::generate_simple_self_signed(["localhost".to_owned()])
                .expect("a certificate can be generated"),
        )
    }

    /// Writes both as PEM files.
    pub fn write(&self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) {
        std::fs::write(certificate, self.0.cert.pem()).expect("the certificate can be written");
        std::fs::write(key, self.0.signing_key.serialize_pem()).expect("the key can be written");
    }

    /// Returns the configuration of a server with this certificate.
    pub fn server(&self) -> Arc<ServerConfig> {
        let key = PrivatePkcs8KeyDer::from(self.0.signing_key.serialize_der()).into();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder
            .expect("the provider supports the default versions")
            .with_no_client_auth();
        Arc::new(
            builder
                .with_single_cert(vec![self.0.cert.der().clone()], key)
                .expect("the key belongs to the certificate"),
        )
    }

    /// Returns the configuration of a client that trusts this certificate alone.
    pub fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.0.cert.der().clone())
            .expect("the certificate is valid");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Arc::new(
            builder
                .expect("the provider supports the default versions")
                .with_root_certificates(roots)
                .with_no_client_auth(),
        )
    }
}
