//! Which certificates of a server are accepted.

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

use super::HealthError;
use crate::capture::http::platform_roots;

/// The certificates that are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// A file in PEM form. The certificates in it are accepted themselves, whatever name they are for, and so are those
    /// that they have signed; those of the platform are accepted besides.
    pub certificates: Option<PathBuf>,
    /// Whether any certificate is accepted.
    pub is_insecure: bool,
}

impl Trust {
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, HealthError> {
        let pinned = match &self.certificates {
            None => Vec::new(),
            Some(path) => read(path).map_err(|error| HealthError::Certificates { path: path.clone(), error })?,
        };
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(pinned.clone());
        let rule = match self.is_insecure {
            true => None,
            false => {
                roots.extend(platform_roots().roots);
                let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
                Some(verifier.build().expect("the platform's or Mozilla's certificates are never none"))
            }
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let builder = builder.expect("ring has what the default versions of TLS need");
        let verifier = Arc::new(Verifier { pinned, rule, provider });
        Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
    }
}

/// Whether a connection failed because its certificate is not accepted.
pub(super) fn is_about_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(Error::InvalidCertificate(_)))
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
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
