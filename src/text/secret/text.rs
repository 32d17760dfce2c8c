//! Masks credentials in any text, such as the standard error of other programs: in URLs, in header
//! fields, and in values behind the name of a secret.

use super::masked::{
    Masked, PLACEHOLDERS, is_open_source, is_sensitive, is_sensitive_field, is_sensitive_word,
    split_name,
};
use super::url;

/// Masks the credentials in text: the user, the password and the query values of each URL, the
/// header fields `Authorization` and `Cookie`, and values behind `password=`, `token:` and similar
/// names.
pub fn mask(text: &str) -> String {
    let mut masked = Masked::default();
    mask_text(&mut masked, text);
    masked.shown
}

/// The kind of the text behind a word.
enum Next {
    /// Any text.
    Text,
    /// The next word, or the next text in quotes, is a secret.
    Value,
    /// The rest of the line is a secret.
    Line,
}

/// Masks any text.
pub(super) fn mask_text(masked: &mut Masked, text: &str) {
    let mut rest = text;
    let mut names_secret = false;
    while !rest.is_empty() {
        let (gap, behind) =
            rest.split_at(rest.find(|letter| !ends_word(letter)).unwrap_or(rest.len()));
        masked.show(gap);
        let (word, behind) = behind.split_at(behind.find(ends_word).unwrap_or(behind.len()));
        // `password = x` and `"password": "x"`
        let next = if names_secret && matches!(word, ":" | "=" | ":=" | "=>") {
            masked.show(word);
            Next::Value
        } else {
            mask_word(masked, word)
        };
        names_secret = is_sensitive_word(word);
        rest = match next {
            Next::Text => behind,
            Next::Value => mask_value(masked, behind),
            Next::Line => {
                let (line, behind) =
                    behind.split_at(behind.find(['\n', '\r']).unwrap_or(behind.len()));
                masked.show(if line.starts_with(' ') { " " } else { "" });
                masked.hide(line.trim_start());
                behind
            }
        };
    }
}

/// Whether a character ends a word, and a URL with it.
fn ends_word(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || matches!(letter, '"' | '\'' | '`' | '<' | '>')
}

/// Masks the value at the beginning of `text`, and returns the rest.
fn mask_value<'a>(masked: &mut Masked, text: &'a str) -> &'a str {
    let (gap, value) = text.split_at(text.find(|letter| !ends_word(letter)).unwrap_or(text.len()));
    masked.show(gap);
    let quote = gap
        .chars()
        .next_back()
        .filter(|letter| matches!(letter, '"' | '\'' | '`'));
    let end = match quote {
        Some(quote) => value.find(quote),
        None => value.find(ends_word),
    };
    let (secret, behind) = value.split_at(end.unwrap_or(value.len()));
    masked.hide_secret(secret);
    behind
}

fn mask_word(masked: &mut Masked, word: &str) -> Next {
    if let Some((name, value)) = assignment(word) {
        masked.show(name);
        masked.hide_secret(value);
        return if value.is_empty() {
            Next::Value
        } else {
            Next::Text
        };
    }
    if let Some(end) = word.find("://") {
        let is_scheme =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.');
        let before = word[..end].trim_end_matches(is_scheme);
        let url = trim_punctuation(&word[before.len()..]);
        masked.show(before);
        url::mask(masked, url);
        masked.show(&word[before.len() + url.len()..]);
        return Next::Text;
    }
    if let Some((name, value)) = word.split_once(':') {
        let is_field = is_sensitive_field(name);
        // `--token: ...` is an error message about an option, `/etc/token: ...` about a file.
        let is_subject = name.starts_with('-') || !is_name(name);
        if is_field || (is_sensitive_word(name) && !is_subject) {
            masked.show(name);
            masked.show(":");
            masked.hide_secret(value);
            return match value.is_empty() {
                _ if is_field => Next::Line,
                true => Next::Value,
                false => Next::Text,
            };
        }
        if value.contains('@') {
            url::mask(masked, word);
            return Next::Text;
        }
    }
    let open = word.trim_start_matches(['(', '[', '{']);
    let has_query = |at: &usize| word[*at..].contains('=') && !is_open_source(split_name(open).1);
    match word.find('?').filter(has_query) {
        Some(at) => {
            let query = trim_punctuation(&word[at..]);
            masked.show(&word[..at]);
            url::mask_query_of_word(masked, query);
            masked.show(&word[at + query.len()..]);
        }
        None => masked.show(word),
    }
    Next::Text
}

/// Removes punctuation behind a URL in text.
fn trim_punctuation(url: &str) -> &str {
    url.trim_end_matches([':', ',', ';', '.', ')', ']'])
}

/// Splits `NAME=SECRET` behind `=`, if the name is that of a secret.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    // mio logs `token=Token(1)`, and some messages contain a placeholder.
    let is_open = value.starts_with("Token(") || PLACEHOLDERS.contains(&value);
    (is_name(name) && is_sensitive(name) && !is_open).then(|| word.split_at(name.len() + 1))
}

fn is_name(text: &str) -> bool {
    text.chars()
        .all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.'))
}
