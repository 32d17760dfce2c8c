//! The files of `--auth-file` and `--token-file`: read before the loop starts, and again on SIGHUP.

use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::site::auth::{Accounts, AccountsError, Secret};

/// A larger file is none of users or of a token.
const FILE_BYTES_MAX: usize = 1024 * 1024;

/// Where the credentials come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialSources {
    /// A file of users.
    pub auth_file: Option<PathBuf>,
    /// The token.
    pub token: TokenSource,
}

/// Where the token comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TokenSource {
    /// There is none.
    #[default]
    None,
    /// The command line or a variable.
    Given(Secret),
    /// The first line of a file.
    File(PathBuf),
}

/// Credentials as they were read.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Users with passwords.
    pub accounts: Accounts,
    /// The token.
    pub secret: Option<Secret>,
}

/// A file of credentials cannot be used. What is secret in it is not repeated.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("cannot read {option} {}: {error}; it takes {content}", path.display())]
    File {
        /// What it was given with.
        option: &'static str,
        /// What is to stand in it.
        content: &'static str,
        /// Which one.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// A file of users has a bad line.
    #[error("--auth-file {}: {error}", path.display())]
    Accounts {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        error: AccountsError,
    },
    /// A file's first line is no token.
    #[error("--token-file {}: {fault}", path.display())]
    Token {
        /// Which one.
        path: PathBuf,
        /// What a token is.
        fault: &'static str,
    },
}

impl CredentialSources {
    /// Whether there is a file to read again.
    pub fn has_files(&self) -> bool {
        self.auth_file.is_some() || matches!(self.token, TokenSource::File(_))
    }

    /// Reads the files. This may block.
    ///
    /// # Errors
    /// One cannot be read, or holds something else.
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
    token.map_err(|fault| CredentialsError::Token {
        path: path.to_owned(),
        fault,
    })
}

/// Reads a small file of secrets, and warns if others may read it too.
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
            "{option} {}: every user of this machine may read it; chmod 600 mends that",
            path.display()
        );
    }
    let bytes = read_small(path, FILE_BYTES_MAX).map_err(failed)?;
    String::from_utf8(bytes).map_err(|_| failed(io::Error::other("it is no text in UTF-8")))
}

/// Reads all of a small file. That of a device may have no end.
///
/// # Errors
/// It cannot be read, or is larger than `bytes_max` bytes.
pub fn read_small(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(bytes_max as u64 + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        Err(io::Error::other(format!(
            "it is larger than {} MiB",
            bytes_max / 1024 / 1024
        )))
    } else {
        Ok(bytes)
    }
}
