//! Reads the files of `--auth-file` and `--token-file`: at the start, and again on SIGHUP.

use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::site::auth::{Accounts, AccountsError, Secret};

/// A larger file is rejected.
const FILE_BYTES_MAX: usize = 1024 * 1024;

/// Where the credentials come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialSources {
    /// The file of users.
    pub auth_file: Option<PathBuf>,
    /// The source of the token.
    pub token: TokenSource,
}

/// Where the token comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TokenSource {
    /// There is no token.
    #[default]
    None,
    /// The command line or an environment variable.
    Given(Secret),
    /// The first line of a file.
    File(PathBuf),
}

/// Credentials that were read.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The users and their passwords.
    pub accounts: Accounts,
    /// The token.
    pub secret: Option<Secret>,
}

/// An error in a file of credentials. It does not contain secrets.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("{option} {}: {error}; expected {content}", path.display())]
    File {
        /// The option that names the file.
        option: &'static str,
        /// The expected content.
        content: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// A line in the file of users is invalid.
    #[error("--auth-file {}: {error}", path.display())]
    Accounts {
        /// The path of the file.
        path: PathBuf,
        /// The invalid line.
        error: AccountsError,
    },
    /// The first line of the file is not a token.
    #[error("--token-file {}: {problem}", path.display())]
    Token {
        /// The path of the file.
        path: PathBuf,
        /// The problem and its remedy.
        problem: &'static str,
    },
}

impl CredentialSources {
    /// Whether there is a file to reload.
    pub fn has_files(&self) -> bool {
        self.auth_file.is_some() || matches!(self.token, TokenSource::File(_))
    }

    /// Reads the files. This may block.
    ///
    /// # Errors
    /// A file cannot be read, or its content is invalid.
    pub fn load(&self) -> Result<Credentials, CredentialsError> {
        let accounts = match &self.auth_file {
            None => Accounts::default(),
            Some(path) => {
                let text = read(
                    "--auth-file",
                    "a file of lines user:password or user:hash",
                    path,
                )?;
                text.parse().map_err(|error| CredentialsError::Accounts {
                    path: path.clone(),
                    error,
                })?
            }
        };
        let secret = match &self.token {
            TokenSource::None => None,
            TokenSource::Given(secret) => Some(secret.clone()),
            TokenSource::File(path) => Some(read_token(path)?),
        };
        Ok(Credentials { accounts, secret })
    }
}

fn read_token(path: &Path) -> Result<Secret, CredentialsError> {
    let text = read("--token-file", "a file whose first line is the token", path)?;
    let token = Secret::from_str(text.lines().next().unwrap_or_default().trim());
    token.map_err(|problem| CredentialsError::Token {
        path: path.to_owned(),
        problem,
    })
}

/// Reads a file of secrets. Logs a warning if other users can read it.
fn read(
    option: &'static str,
    content: &'static str,
    path: &Path,
) -> Result<String, CredentialsError> {
    let failed = |error| CredentialsError::File {
        option,
        content,
        path: path.to_owned(),
        error,
    };
    let is_open = |permissions: Permissions| permissions.mode() & 0o007 != 0;
    if fs::metadata(path).is_ok_and(|metadata| is_open(metadata.permissions())) {
        log::warn!(
            "{option} {}: readable by every user of this machine; protect it with chmod 600",
            path.display()
        );
    }
    let bytes = read_small(path, FILE_BYTES_MAX).map_err(failed)?;
    String::from_utf8(bytes).map_err(|_| failed(io::Error::other("not UTF-8 text")))
}

/// Reads a file that must be small. A device, for example, may have no end.
///
/// # Errors
/// The file cannot be read, or is larger than `bytes_max` bytes.
pub fn read_small(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(bytes_max as u64 + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        Err(io::Error::other(format!(
            "larger than {} MiB",
            bytes_max / 1024 / 1024
        )))
    } else {
        Ok(bytes)
    }
}
