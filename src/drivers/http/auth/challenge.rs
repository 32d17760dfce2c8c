//! Lenient parsing of `WWW-Authenticate`.

/// One challenge: a scheme and its parameters, with the quotes of their values removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Challenge {
    scheme: Vec<u8>,
    parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Challenge {
    pub(super) fn scheme(&self) -> &[u8] {
        &self.scheme
    }

    pub(super) fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"Digest")
    }

    pub(super) fn is_basic(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"Basic")
    }

    /// The value of the first parameter called `name`, ignoring case.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        let mut parameters = self.parameters.iter();
        let found = parameters.find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| value.as_slice())
    }
}

/// Parses the challenges of all `WWW-Authenticate` fields. If a challenge has no scheme, it is
/// Digest if it has a nonce, else Basic.
pub(super) fn parse<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    for field in fields {
        let mut rest = field;
        let mut challenge = Challenge::default();
        while let Some((&first, after)) = rest.split_first() {
            if is_separator(first) {
                rest = after;
                continue;
            }
            let (token, after) = rest.split_at(
                rest.iter()
                    .position(|&byte| ends_token(byte))
                    .unwrap_or(rest.len()),
            );
            match after.trim_ascii_start().strip_prefix(b"=") {
                Some(value) => {
                    let (value, after) = read_value(value.trim_ascii_start());
                    challenge.parameters.push((token.to_vec(), value));
                    rest = after;
                }
                // A stray quote or equals sign.
                None if token.is_empty() => rest = after.get(1..).unwrap_or_default(),
                None => {
                    push(&mut challenges, std::mem::take(&mut challenge));
                    challenge.scheme = token.to_vec();
                    rest = after;
                }
            }
        }
        push(&mut challenges, challenge);
    }
    challenges
}

fn push(challenges: &mut Vec<Challenge>, mut challenge: Challenge) {
    if challenge.scheme.is_empty() {
        if challenge.parameters.is_empty() {
            return;
        }
        let scheme: &[u8] = if challenge.get("nonce").is_some() {
            b"Digest"
        } else {
            b"Basic"
        };
        challenge.scheme = scheme.to_vec();
    }
    challenges.push(challenge);
}

/// Parses a value, quoted or not. Also returns the rest, which begins with a separator or the next
/// parameter.
fn read_value(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let comma = text
            .iter()
            .position(|&byte| byte == b',')
            .unwrap_or(text.len());
        let blanks = text
            .iter()
            .enumerate()
            .filter(|&(at, &byte)| at < comma && byte == b' ');
        let mut ends = blanks
            .map(|(at, _)| at)
            .filter(|&at| begins_parameter(text.get(at..).unwrap_or_default()));
        let (value, after) = text.split_at(ends.next().unwrap_or(comma));
        return (value.trim_ascii().to_vec(), after);
    };
    let mut value = Vec::new();
    let mut at = 0;
    while let Some(&byte) = quoted.get(at) {
        let after = quoted.get(at + 1..).unwrap_or_default();
        match byte {
            b'\\' if !after.is_empty() => {
                value.extend(after.first());
                at += 1;
            }
            b'"' if ends_value(after) => return (value, after),
            // The quote belongs to the next parameter: the quote of this value is not closed.
            b'"' if value.ends_with(b"=") => {
                if let Some(comma) = quoted
                    .get(..at)
                    .and_then(|text| text.iter().rposition(|&byte| byte == b','))
                {
                    let value = quoted
                        .get(..comma)
                        .unwrap_or_default()
                        .trim_ascii_end()
                        .to_vec();
                    return (value, quoted.get(comma..).unwrap_or_default());
                }
                value.push(byte);
            }
            byte => value.push(byte),
        }
        at += 1;
    }
    (value, &[])
}

/// Whether a quote before `after` closes its value: the end, a comma or another parameter follows.
fn ends_value(after: &[u8]) -> bool {
    let rest = after.trim_ascii_start();
    rest.is_empty() || rest.starts_with(b",") || begins_parameter(rest)
}

/// Whether `text` begins with `NAME=`, after blanks.
fn begins_parameter(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let name = text
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-')
        .count();
    name > 0
        && text
            .get(name..)
            .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="))
}

fn is_separator(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b','
}

fn ends_token(byte: u8) -> bool {
    is_separator(byte) || byte == b'=' || byte == b'"'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schemes with their parameters, as one line of text.
    fn read(fields: &[&[u8]]) -> String {
        let mut text = String::new();
        for challenge in parse(fields.iter().copied()) {
            text += &format!("{}:", String::from_utf8_lossy(challenge.scheme()));
            for (name, value) in &challenge.parameters {
                text += &format!(
                    " {}=<{}>",
                    String::from_utf8_lossy(name),
                    String::from_utf8_lossy(value)
                );
            }
            text += "|";
        }
        text
    }

    #[test]
    fn malformed_challenges_are_parsed() {
        for (field, found) in [
            ("Basic", "Basic:|"),
            ("basic realm=\"x\"", "basic: realm=<x>|"),
            (
                "Basic realm=\"IP \"Camera\"\"",
                "Basic: realm=<IP \"Camera\">|",
            ),
            (
                "Basic realm=\"a \\\"b\\\" \\\\c\"",
                "Basic: realm=<a \"b\" \\c>|",
            ),
            (
                "Basic realm=\"x\" charset=\"UTF-8\"",
                "Basic: realm=<x> charset=<UTF-8>|",
            ),
            ("Basic realm=\"x", "Basic: realm=<x>|"),
            ("Basic realm=IP Camera", "Basic: realm=<IP Camera>|"),
            ("realm=\"x\"", "Basic: realm=<x>|"),
            ("realm=\"x\", nonce=1", "Digest: realm=<x> nonce=<1>|"),
            (
                "Digest realm=\"x, nonce=\"1\", qop=\"auth\"",
                "Digest: realm=<x> nonce=<1> qop=<auth>|",
            ),
            (
                "Digest realm=x nonce=\"a=\" qop=auth,algorithm=md5",
                "Digest: realm=<x> nonce=<a=> qop=<auth> algorithm=<md5>|",
            ),
            (
                "Digest realm = \"x\" ,, nonce = \"1\"",
                "Digest: realm=<x> nonce=<1>|",
            ),
            (
                "Digest realm=\"x\", nonce=\"1\", Basic realm=\"y\"",
                "Digest: realm=<x> nonce=<1>|Basic: realm=<y>|",
            ),
            ("Negotiate, NTLM", "Negotiate:|NTLM:|"),
            (
                "Negotiate YII=, Basic realm=\"x\"",
                "Negotiate: YII=<>|Basic: realm=<x>|",
            ),
            ("", ""),
            ("\"=\",\"", "Basic: =<,>|"),
        ] {
            assert_eq!(read(&[field.as_bytes()]), found, "{field}");
        }
        assert_eq!(
            read(&[b"Basic realm=\"caf\xe9\"", b"NTLM"]),
            "Basic: realm=<caf\u{fffd}>|NTLM:|"
        );
    }
}
