//! Masks credentials in a URL: user, password, the values of the query, and secrets in the path.

use super::masked::{Masked, PLACEHOLDERS, is_sensitive};

/// The maximum length of a value of framecast's own parameters, such as `1280x720` or `250ms`.
const OWN_VALUE_BYTES_MAX: usize = 16;

/// Masks a URL, which may be malformed, for example by a password that is not percent-encoded.
pub(super) fn mask(masked: &mut Masked, url: &str) {
    let (scheme, rest) = match url.find("://") {
        Some(end) => url.split_at(end + 3),
        None => ("", url),
    };
    masked.show(scheme);
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let rest = match authority.rfind('@') {
        Some(at) => {
            mask_userinfo(masked, &authority[..at]);
            &rest[at..]
        }
        None if hides_userinfo(authority, &rest[authority.len()..]) => {
            masked.hide(rest);
            return;
        }
        None => rest,
    };
    let (rest, fragment) = split_before(rest, '#');
    let (path, query) = split_before(rest, '?');
    mask_path(masked, path);
    if scheme.starts_with("redis") {
        mask_pairs(masked, query, |name, value| {
            name == "max" && is_whole_number(value)
        })
    } else {
        mask_query(masked, query)
    }
    mask_own(masked, fragment);
}

/// Masks `USER:PASSWORD`, or a user alone, which may be a token.
fn mask_userinfo(masked: &mut Masked, userinfo: &str) {
    match userinfo.split_once(':') {
        _ if PLACEHOLDERS.contains(&userinfo) => masked.show(userinfo),
        Some((_, "")) => masked.hide(userinfo),
        Some((_, password)) => masked.hide_secret(password),
        None => masked.hide_secret(userinfo),
    }
}

/// Whether the port may be the beginning of a password that contains `/`, `?` or `#` without
/// percent-encoding: it is not a number, or an `@` follows later.
fn hides_userinfo(authority: &str, rest: &str) -> bool {
    let after_host = authority.rsplit(']').next().unwrap_or_default();
    let Some((_, port)) = after_host.split_once(':') else {
        return false;
    };
    let (before_query, fragment) = (split_before(rest, '?').0, split_before(rest, '#').1);
    // Messages that explain a syntax contain `PORT` instead of a number.
    let is_number = port == "PORT" || is_whole_number(port);
    !is_number || before_query.contains('@') || fragment.contains('@')
}

fn is_whole_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Splits `text` before the first `sign`.
fn split_before(text: &str, sign: char) -> (&str, &str) {
    text.split_at(text.find(sign).unwrap_or(text.len()))
}

/// Masks secrets in a path. Some cameras take the login there:
/// `/user=admin&password=secret&channel=1`, `/user=admin_password=secret`.
fn mask_path(masked: &mut Masked, path: &str) {
    for piece in path.split_inclusive(['/', '&', ';']) {
        let whole = piece.trim_end_matches(['/', '&', ';']);
        // `http//USER:PASSWORD@HOST`
        let value = match whole.rfind('@').filter(|&at| whole[..at].contains(':')) {
            Some(at) => {
                mask_userinfo(masked, &whole[..at]);
                &whole[at..]
            }
            None => whole,
        };
        let sensitive = value.char_indices().filter(|(_, letter)| *letter == '=');
        let mut sensitive = sensitive.map(|(at, _)| value.split_at(at + 1));
        match sensitive.find(|(name, _)| is_sensitive(name)) {
            Some((name, secret)) => {
                masked.show(name);
                masked.hide_secret(secret);
            }
            None => masked.show(value),
        }
        masked.show(&piece[whole.len()..]);
    }
}

/// Masks the values of a query, and parameters without a name. `action=stream` stays: many servers
/// use it.
fn mask_query(masked: &mut Masked, query: &str) {
    mask_pairs(masked, query, is_action);
}

/// Masks the query of a word in prose that is no URL. The word may be the end of a path with
/// blanks, as in `stills:/srv/my pictures?fps=1`: numbers of such parameters stay.
pub(super) fn mask_query_of_word(masked: &mut Masked, query: &str) {
    let is_of_folder =
        |name: &str, value: &str| matches!(name, "fps" | "watch") && value.parse::<f64>().is_ok();
    mask_pairs(masked, query, |name, value| {
        is_action(name, value) || is_of_folder(name, value)
    });
}

fn is_action(name: &str, value: &str) -> bool {
    let action = value.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '_');
    name == "action" && matches!(action, "stream" | "snapshot")
}

/// Masks everything but framecast's own parameters.
fn mask_own(masked: &mut Masked, parameters: &str) {
    mask_pairs(masked, parameters, |name, value| {
        let is_plain = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.%".contains(&byte))
        };
        is_plain(name)
            && !is_sensitive(name)
            && is_plain(value)
            && value.len() <= OWN_VALUE_BYTES_MAX
    });
}

/// Masks `NAME=VALUE` pairs behind their first character, `?` or `#`, unless `is_open`.
fn mask_pairs(masked: &mut Masked, pairs: &str, is_open: impl Fn(&str, &str) -> bool) {
    let Some(first) = pairs.chars().next() else {
        return;
    };
    let (sign, pairs) = pairs.split_at(first.len_utf8());
    masked.show(sign);
    for piece in pairs.split_inclusive(['&', ';']) {
        let pair = piece.trim_end_matches(['&', ';']);
        match pair.split_once('=') {
            Some((name, value)) if is_open(name, value) => masked.show(pair),
            Some((name, value)) => {
                masked.show(name);
                masked.show("=");
                if is_sensitive(name) {
                    masked.hide_secret(value)
                } else {
                    masked.hide(value)
                }
            }
            None => masked.hide(pair),
        }
        masked.show(&piece[pair.len()..]);
    }
}
