//! Which certificates of servers and cameras are accepted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The certificates that are accepted: those that the platform's authorities have signed, and
/// others by choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// A file in PEM form. The certificates in it are accepted themselves, whatever name they are
    /// for, and so are those that they have signed; those of the platform are accepted besides.
    pub certificates: Option<PathBuf>,
    /// Whether any certificate is accepted.
    pub is_insecure: bool,
}

impl Trust {
    /// The settings of connections to servers that have any certificate if `is_insecure`, and
    /// otherwise one that the platform's authorities have signed. Reads the platform's store.
    pub fn client_config(is_insecure: bool) -> Arc<ClientConfig> {
        Self {
            certificates: None,
            is_insecure,
        }
        .config()
        .expect("no file is read, which alone can fail")
    }

    /// The settings of a connection. Reads the file and the platform's store.
    ///
    /// # Errors
    /// The file of certificates cannot be read, or there is none in it. Without a file there is no
    /// error.
    pub fn config(&self) -> io::Result<Arc<ClientConfig>> {
        let pinned = self
            .certificates
            .as_deref()
            .map(read)
            .transpose()?
            .unwrap_or_default();
        let provider = Arc::new(ring::default_provider());
        let rule = if self.is_insecure {
            None
        } else {
            let mut roots = platform_roots();
            roots.add_parsable_certificates(pinned.clone());
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
            Some(
                verifier
                    .build()
                    .expect("the platform's or Mozilla's certificates are never none"),
            )
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions();
        let builder = builder.expect("ring has what the default versions of TLS need");
        let verifier = Arc::new(Verifier {
            pinned,
            rule,
            provider,
        });
        Ok(Arc::new(
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth(),
        ))
    }
}

/// Reads the certificates of a file, which are at least one.
fn read(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&fs::read(path)?).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(io::Error::other("there is no certificate in it")),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// The platform's certificates, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`; Mozilla's where
/// there are none, as in a container that holds this program alone.
fn platform_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        log::warn!("certificates: {error}");
    }
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    log::debug!("certificates: {added} trusted, {ignored} not readable");
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// Accepts the certificates that are `pinned`, and then by the `rule`; without one, any.
#[derive(Debug)]
struct Verifier {
    pinned: Vec<CertificateDer<'static>>,
    rule: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.rule {
            Some(rule) if !self.pinned.contains(certificate) => {
                rule.verify_server_cert(certificate, intermediates, name, ocsp_response, now)
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.rule {
            Some(_) => {
                let algorithms = &self.provider.signature_verification_algorithms;
                verify_tls12_signature(message, certificate, signature, algorithms)
            }
            // A signature by a certificate of unknown origin proves nothing, and old cameras have
            // some that cannot be read.
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.rule {
            Some(_) => {
                let algorithms = &self.provider.signature_verification_algorithms;
                verify_tls13_signature(message, certificate, signature, algorithms)
            }
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
