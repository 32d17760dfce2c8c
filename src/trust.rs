//! The certificates of servers and cameras that are trusted.

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

/// The trusted certificates: those signed by the platform's authorities, and others by choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// A PEM file. Its certificates are trusted for any host name, and so are certificates that they
    /// have signed, in addition to the platform's.
    pub certificates: Option<PathBuf>,
    /// Whether every certificate is trusted.
    pub is_insecure: bool,
}

impl Trust {
    /// Returns the configuration that trusts the platform's authorities, or every certificate if
    /// `is_insecure`. Reads the platform's store.
    pub fn client_config(is_insecure: bool) -> Arc<ClientConfig> {
        Self {
            certificates: None,
            is_insecure,
        }
        .config()
        .expect("only reading the file can fail, and there is none")
    }

    /// Returns the configuration of a connection. Reads the file and the platform's store.
    ///
    /// # Errors
    /// The file cannot be read, or has no certificate. Without a file, there is no error.
    pub fn config(&self) -> io::Result<Arc<ClientConfig>> {
        let pinned = self
            .certificates
            .as_deref()
            .map(read)
            .transpose()?
            .unwrap_or_default();
        let provider = Arc::new(ring::default_provider());
        let authorities = if self.is_insecure {
            None
        } else {
            let mut roots = platform_roots();
            roots.add_parsable_certificates(pinned.clone());
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
            Some(
                verifier
                    .build()
                    .expect("there are certificates, of the platform or of Mozilla"),
            )
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions();
        let builder = builder.expect("ring supports the default versions of TLS");
        let verifier = Arc::new(Verifier {
            pinned,
            authorities,
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

/// Reads the certificates of a file, at least one.
fn read(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&fs::read(path)?).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(io::Error::other("no certificate found")),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Returns the platform's certificates, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`; Mozilla's if
/// there are none, as in a container without other programs.
fn platform_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        log::warn!("certificates: {error}");
    }
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    log::debug!("certificates: {added} trusted, {ignored} unreadable");
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// Trusts pinned certificates, then those that `authorities` verifies; without `authorities`, all.
#[derive(Debug)]
struct Verifier {
    pinned: Vec<CertificateDer<'static>>,
    authorities: Option<Arc<WebPkiServerVerifier>>,
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
        match &self.authorities {
            Some(authorities) if !self.pinned.contains(certificate) => {
                authorities.verify_server_cert(certificate, intermediates, name, ocsp_response, now)
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
        match self.authorities {
            Some(_) => {
                let algorithms = &self.provider.signature_verification_algorithms;
                verify_tls12_signature(message, certificate, signature, algorithms)
            }
            // With every certificate trusted, its signature proves nothing; and some certificates of
            // old cameras cannot be parsed.
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.authorities {
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
