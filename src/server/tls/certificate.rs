//! Loads the certificate and key of encrypted listeners.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{InconsistentKeys, ServerConfig};

use crate::server::settings::TlsFiles;

/// A larger file is rejected, such as a device without an end.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Session tickets for each client, to resume a session at less cost. Browsers open several
/// connections.
const TICKETS: usize = 2;

/// Why a certificate or its key is rejected.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant documents it")]
pub enum CertificateError {
    #[error("{file}: {error}; --tls-cert and --tls-key expect PEM files")]
    Read { file: String, error: io::Error },
    #[error("{file}: larger than 1 MiB; expected a PEM file with a certificate or key")]
    TooLarge { file: String },
    #[error("{file}: invalid PEM file: {error}; create it again")]
    Damaged { file: String, error: pem::Error },
    #[error(
        "{file}: no certificate found; --tls-cert expects a PEM file, the server's certificate first, then the \
         intermediate ones"
    )]
    NoCertificate { file: String },
    #[error("{file}: no private key found; --tls-key expects a PEM file without a password")]
    NoKey { file: String },
    #[error(
        "{key}: not the key of the certificate in {certificate}; give the key that belongs to it"
    )]
    Mismatch { certificate: String, key: String },
    #[error("{certificate}: cannot be used with the key in {key}: {error}")]
    Unusable {
        certificate: String,
        key: String,
        error: rustls::Error,
    },
}

/// Loads a certificate and its key, and checks that they belong together. This may block.
///
/// # Errors
/// A file cannot be read, or its content is rejected.
pub fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, CertificateError> {
    let TlsFiles { certificate, key } = files;
    let unusable = |error| CertificateError::Unusable {
        certificate: certificate.clone(),
        key: key.clone(),
        error,
    };
    let chain = read_chain(certificate)?;
    let private = read_key(key)?;

    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let mut config = builder
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                CertificateError::Mismatch {
                    certificate: certificate.clone(),
                    key: key.clone(),
                }
            }
            error => unusable(error),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // The state of a session to resume is in the client's ticket, and takes no memory here.
    config.ticketer = ring::Ticketer::new().map_err(unusable)?;
    config.send_tls13_tickets = TICKETS;
    Ok(Arc::new(config))
}

fn read_chain(file: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let text = read(file)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain.map_err(|error| CertificateError::Damaged {
        file: file.to_owned(),
        error,
    })? {
        none if none.is_empty() => Err(CertificateError::NoCertificate {
            file: file.to_owned(),
        }),
        chain => Ok(chain),
    }
}

fn read_key(file: &str) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|error| match error {
        pem::Error::NoItemsFound => CertificateError::NoKey {
            file: file.to_owned(),
        },
        error => CertificateError::Damaged {
            file: file.to_owned(),
            error,
        },
    })
}

fn read(file: &str) -> Result<Vec<u8>, CertificateError> {
    let mut bytes = Vec::new();
    let read =
        File::open(file).and_then(|opened| opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(CertificateError::Read {
            file: file.to_owned(),
            error,
        }),
        Ok(count) if count as u64 > FILE_BYTES_MAX => Err(CertificateError::TooLarge {
            file: file.to_owned(),
        }),
        Ok(_) => Ok(bytes),
    }
}
