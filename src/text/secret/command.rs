//! What is masked in a command line: what follows options and words such as `--password`, logins
//! such as `-u USER:PASSWORD`, header fields with credentials, and what is masked in any text.

use super::masked::{Masked, is_sensitive, is_sensitive_word};
use super::text::mask_text;

/// Options whose value is a login if it has a colon, as of curl and wget.
const LOGIN_OPTIONS: [&str; 6] = [
    "-u",
    "-U",
    "--user",
    "--proxy-user",
    "--login",
    "--username",
];

/// The options that are a password in some programs and a port in others.
const PASSWORDS_OR_PORTS: [&str; 2] = ["-p", "-P"];

/// The option of curl whose value is cookies.
const COOKIES: &str = "-b";

/// What the words before one say about it.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    /// Nothing.
    Argument,
    /// It is a secret, unless it is an option that stands before the secret.
    Secret,
    /// It is `USER:PASSWORD`, or the name of a user alone.
    Login,
    /// It is a secret unless it is a number.
    SecretOrPort,
    /// It is cookies, `NAME=SECRET; ...`, or the name of a file of them.
    Cookies,
    /// All words from here on are a secret.
    Secrets,
}

/// Masks the credentials of a command line. Where there are none it is shown as it was written.
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

/// Masks the credentials in the arguments of a command, each of which stays one argument.
pub fn mask_arguments(arguments: &[String]) -> Vec<String> {
    mask_words(&mut Masked::default(), arguments)
}

/// Masks each word by itself and by the words before it. The secrets are added to those of
/// `masked`.
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

/// Masks a word that is no option with a secret: a command line itself, as behind `sh -c`, or any
/// text.
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

/// Short options of which the last is `-u`, as in `curl -sSu USER:PASSWORD`.
fn is_login_cluster(word: &str) -> bool {
    let letters = word.strip_prefix('-').unwrap_or_default();
    letters.ends_with(['u', 'U']) && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// `-x`, `--word` or `-word`. What begins so but has other characters in it may be a password.
fn is_option(word: &str) -> bool {
    let name = word.trim_start_matches('-');
    let is_long = word.starts_with("--") || name.len() == 1 || is_sensitive(name);
    word.starts_with('-') && is_long && !name.is_empty() && is_name(name)
}

fn is_name(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// `--user=USER:PASSWORD` or `-uUSER:PASSWORD`, divided before the login.
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

/// `--header=X-Api-Key: KEY`, divided before what is masked like a word of its own.
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

/// Words as a shell needs them, but for `*`, `?` and the like: this is to be read.
fn join(words: &[String]) -> String {
    let divides = |letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'');
    let quote = |word: &String| {
        if word.is_empty() || word.contains(divides) {
            format!("'{}'", word.replace('\'', "'\\''"))
        } else {
            word.clone()
        }
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}
