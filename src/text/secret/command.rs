//! Masks credentials in command lines: arguments behind options and words such as `--password`,
//! logins such as `-u USER:PASSWORD`, header fields with credentials, and what is masked in any
//! text.

use super::masked::{Masked, is_sensitive, is_sensitive_word};
use super::text::mask_text;

/// Options whose value is a login if it contains a colon, such as those of curl and wget.
const LOGIN_OPTIONS: [&str; 6] = [
    "-u",
    "-U",
    "--user",
    "--proxy-user",
    "--login",
    "--username",
];

/// Options for a password in some programs and for a port in others.
const PASSWORDS_OR_PORTS: [&str; 2] = ["-p", "-P"];

/// curl's option for cookies.
const COOKIES: &str = "-b";

/// The kind of the next word, according to the words before it.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    /// Any argument.
    Argument,
    /// A secret, or an option before the secret.
    Secret,
    /// `USER:PASSWORD`, or a user name alone.
    Login,
    /// A number or a secret.
    SecretOrPort,
    /// Cookies, `NAME=SECRET; ...`, or the name of a file.
    Cookies,
    /// All further words are a secret.
    Secrets,
}

/// Masks the credentials of a command line. A command line without any stays as written.
pub(super) fn mask(masked: &mut Masked, command: &str) {
    let Some(words) = shlex::split(command) else {
        masked.hide_secret(command);
        return;
    };
    let shown = mask_words(masked, &words);
    if shown == words {
        masked.show(command)
    } else {
        masked.show(&join(&shown))
    }
}

/// Masks the credentials in the arguments of a command. Each argument stays one.
#[cfg(feature = "bench")]
pub fn mask_arguments(arguments: &[String]) -> Vec<String> {
    mask_words(&mut Masked::default(), arguments)
}

/// Masks each word according to its text and the words before it. Adds the secrets to `masked`.
fn mask_words(masked: &mut Masked, words: &[String]) -> Vec<String> {
    let mut expected = Expected::Argument;
    words
        .iter()
        .map(|word| {
            let mut shown = Masked::default();
            expected = mask_word(&mut shown, word, expected);
            masked.secrets.append(&mut shown.secrets);
            shown.shown
        })
        .collect()
}

fn mask_word(shown: &mut Masked, word: &str, expected: Expected) -> Expected {
    let option = is_option(word);
    match expected {
        Expected::Secrets => {
            shown.hide_secret(word);
            return Expected::Secrets;
        }
        Expected::Secret if !option => {
            shown.hide_secret(word);
            return Expected::Argument;
        }
        Expected::SecretOrPort if word.parse::<u16>().is_err() => {
            shown.hide_secret(word);
            return Expected::Argument;
        }
        Expected::Cookies if word.contains('=') => {
            shown.hide_secret(word);
            return Expected::Argument;
        }
        Expected::Login if word.contains(':') => {
            hide_login(shown, word);
            return Expected::Argument;
        }
        _ => {}
    }
    match word {
        _ if LOGIN_OPTIONS.contains(&word) || is_login_cluster(word) => {
            shown.show(word);
            return Expected::Login;
        }
        _ if PASSWORDS_OR_PORTS.contains(&word) && expected != Expected::Secret => {
            shown.show(word);
            return Expected::SecretOrPort;
        }
        COOKIES => {
            shown.show(word);
            return Expected::Cookies;
        }
        _ => {}
    }
    if let Some((name, login)) = attached_login(word) {
        shown.show(name);
        hide_login(shown, login);
        return Expected::Argument;
    }
    if let Some((_, secret)) = word
        .split_once(['=', ':'])
        .filter(|(name, _)| is_name(name) && is_sensitive(name))
    {
        let secret = secret.trim_start();
        shown.show(&word[..word.len() - secret.len()]);
        shown.hide_secret(secret);
        return if secret.is_empty() && word.ends_with(':') {
            Expected::Secrets
        } else {
            Expected::Argument
        };
    }
    if let Some((name, value)) = attached_value(word) {
        shown.show(name);
        return mask_word(shown, value, Expected::Argument);
    }
    mask_whole(shown, word);
    match option {
        true if is_sensitive(word) => Expected::Secret,
        // An option between a word such as `sshpass` and its secret.
        true if expected == Expected::Secret => Expected::Secret,
        false if is_sensitive_word(word.rsplit('/').next().unwrap_or(word)) => Expected::Secret,
        _ => Expected::Argument,
    }
}

/// Masks a word that is a command line itself, as behind `sh -c`, or any text.
fn mask_whole(shown: &mut Masked, word: &str) {
    let words = if !word.contains(char::is_whitespace) {
        Vec::new()
    } else {
        shlex::split(word).unwrap_or_else(|| word.split_whitespace().map(str::to_owned).collect())
    };
    let parts = if words.len() < 2 {
        words.clone()
    } else {
        mask_words(shown, &words)
    };
    if parts == words {
        mask_text(shown, word)
    } else {
        mask_text(shown, &join(&parts))
    }
}

/// Whether a word is short options that end with `-u`, as in `curl -sSu USER:PASSWORD`.
fn is_login_cluster(word: &str) -> bool {
    let letters = word.strip_prefix('-').unwrap_or_default();
    letters.ends_with(['u', 'U']) && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Whether a word is `-x`, `--word` or `-word`. With other characters in it, it may be a password.
fn is_option(word: &str) -> bool {
    let name = word.trim_start_matches('-');
    let is_long = word.starts_with("--") || name.len() == 1 || is_sensitive(name);
    word.starts_with('-') && is_long && !name.is_empty() && is_name(name)
}

fn is_name(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Splits `--user=USER:PASSWORD` or `-uUSER:PASSWORD` before the login.
fn attached_login(word: &str) -> Option<(&str, &str)> {
    LOGIN_OPTIONS.iter().find_map(|option| {
        let login = word.strip_prefix(option)?;
        let login = if option.starts_with("--") {
            login.strip_prefix('=')?
        } else {
            login
        };
        login
            .contains(':')
            .then(|| word.split_at(word.len() - login.len()))
    })
}

/// Splits `--header=X-Api-Key: KEY` before the value, which is masked like a word of its own.
fn attached_value(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    (name.starts_with("--") && is_name(name) && !value.is_empty())
        .then(|| word.split_at(name.len() + 1))
}

fn hide_login(shown: &mut Masked, login: &str) {
    let password = login
        .split_once(':')
        .map_or(login, |(_, password)| password);
    // `USER:` is a login without a password.
    if password.is_empty() {
        shown.hide(login)
    } else {
        shown.hide_secret(password)
    }
}

/// Joins words with the quotes that a shell needs, except for `*`, `?` and similar: the text is
/// only displayed.
fn join(words: &[String]) -> String {
    let needs_quotes = |letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'');
    let quote = |word: &String| {
        if word.is_empty() || word.contains(needs_quotes) {
            format!("'{}'", word.replace('\'', "'\\''"))
        } else {
            word.clone()
        }
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}
