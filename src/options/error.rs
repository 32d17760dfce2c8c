//! Errors in options that are valid one by one.

use super::access::AccessError;
use crate::drivers::SourceError;

/// Invalid cameras and publishers, options that contradict each other, and credentials that cannot
/// be loaded. A camera's address is not repeated as it was given: it may contain a password.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// A camera's source is invalid.
    #[error("{place}: {error}")]
    Source {
        /// The option, argument or variable that holds it.
        place: String,
        /// The problem.
        error: SourceError,
    },
    /// A camera's name is invalid.
    #[error("{place}: {problem}")]
    Name {
        /// The option, argument or variable that holds it.
        place: String,
        /// The problem and the rule for names.
        problem: String,
    },
    /// An address to publish at is invalid.
    #[error("{place}: {error}")]
    Target {
        /// The option or variable that holds it.
        place: String,
        /// The problem.
        error: SourceError,
    },
    /// A camera to publish does not exist.
    #[error("{place}: unknown camera '{name}'; the cameras are {known}")]
    UnknownCamera {
        /// The option or variable that names it.
        place: String,
        /// The unknown name.
        name: String,
        /// The names of the cameras.
        known: String,
    },
    /// Credentials are invalid or cannot be loaded.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Two cameras have the same name.
    #[error("{place}: duplicate camera name '{name}'; give one of them another, as in NAME=SOURCE")]
    DuplicateCamera {
        /// The option, argument or variable that holds the second.
        place: String,
        /// The name.
        name: String,
    },
    /// Two cameras read standard input.
    #[error("--camera -: only one camera can read standard input; give it once")]
    DuplicateStdin,
    /// An HTTPS listener has no certificate.
    #[error("--listen https://{0}: no certificate; add --tls-cert FILE and --tls-key FILE")]
    NoCertificate(String),
    /// There is a certificate, but no HTTPS listener.
    #[error("--tls-cert: no address to listen on uses HTTPS; add --listen https://HOST:PORT")]
    CertificateUnused,
}
