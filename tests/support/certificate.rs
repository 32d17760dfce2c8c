//! A certificate that has signed itself, for the name `localhost`, and those who trust it or show
//! it.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The certificate and its key.
pub struct Certificate(rcgen::CertifiedKey<rcgen::KeyPair>);

impl Certificate {
    pub fn new() -> Self {
        Self(
            rcgen::generate_simple_self_signed(["localhost".to_owned()])
                .expect("a certificate can be made"),
        )
    }

    /// Writes both in PEM form.
    pub fn write(&self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) {
        std::fs::write(certificate, self.0.cert.pem()).expect("the certificate can be written");
        std::fs::write(key, self.0.signing_key.serialize_pem()).expect("the key can be written");
    }

    /// A server that shows it.
    pub fn server(&self) -> Arc<ServerConfig> {
        let key = PrivatePkcs8KeyDer::from(self.0.signing_key.serialize_der()).into();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder
            .expect("the provider knows them")
            .with_no_client_auth();
        Arc::new(
            builder
                .with_single_cert(vec![self.0.cert.der().clone()], key)
                .expect("the key fits"),
        )
    }

    /// A client that trusts it, and nobody else.
    pub fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.0.cert.der().clone())
            .expect("it is a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Arc::new(
            builder
                .expect("the provider knows them")
                .with_root_certificates(roots)
                .with_no_client_auth(),
        )
    }
}
