//! The two files behind an encrypted listener, and what may be wrong with them.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{InconsistentKeys, ServerConfig};

use crate::server::settings::TlsFiles;

/// More is no certificate. It bounds what a path to something endless can cost.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Tickets given to each client, with which it may come back at less cost; browsers come with
/// several connections.
const TICKETS: usize = 2;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(
    missing_docs,
    reason = "the sentence of each variant is its documentation"
)]
pub enum CertificateError {
    #[error("cannot read {file}: {error}; --tls-cert and --tls-key take files in PEM form")]
    Read { file: String, error: io::Error },
    #[error(
        "{file} is larger than 1 MiB, and so no certificate and no key; give a file in PEM form"
    )]
    TooLarge { file: String },
    #[error("{file} is damaged: {error}; give a whole file in PEM form")]
    Damaged { file: String, error: pem::Error },
    #[error(
        "{file} holds no certificate; --tls-cert takes a file in PEM form, the server's own certificate first and then \
         those that vouch for it"
    )]
    NoCertificate { file: String },
    #[error(
        "{file} holds no private key; --tls-key takes a file in PEM form that no password protects"
    )]
    NoKey { file: String },
    #[error(
        "the key in {key} is not that of the certificate in {certificate}; give two that were made together"
    )]
    Mismatch { certificate: String, key: String },
    #[error("the certificate in {certificate} cannot be used with the key in {key}: {error}")]
    Unusable {
        certificate: String,
        key: String,
        error: rustls::Error,
    },
}

/// Reads a certificate and its key, and checks that they belong together. This may block.
///
/// # Errors
/// A file cannot be read, or the two cannot be used.
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
    // What is needed to recognise a client stands in its ticket, and takes no memory here.
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
