//! The source `exec`: a command that writes frames to its standard output, as ffmpeg, rpicam-vid or
//! a script does.
//!
//! There is nothing to be done between it and the server, so the driver becomes the command: what
//! it writes goes straight into the server's pipe, and a signal to the driver is a signal to the
//! command.

use std::time::Duration;

use super::driver::{Driver, Parts, frame_timeout};
use super::error::{CaptureError, SourceError};
use super::parameters::Parameters;
use super::program::{become_program, find};

/// A command that gives one picture and ends is run again after this long, unless `every` says
/// otherwise.
const EVERY_DEFAULT: Duration = Duration::from_secs(1);
const EVERY_MAX: Duration = Duration::from_secs(24 * 3600);

/// Our own parameters, behind the last `#`.
const PARAMETERS: [&str; 2] = ["every", "timeout"];

/// Words that mean something to a shell and nothing to a program.
const OPERATORS: [&str; 16] = [
    "|", "||", "|&", "&", "&&", ";", ";;", "<", "<<", "<<<", ">", ">>", "2>", "2>>", "&>", "2>&1",
];

/// `exec:COMMAND ARGUMENTS#every=1s&timeout=5s`: split into words as a shell does it, with its
/// quotes, but run without one: `*` and `~` mean nothing, and an operator or a variable is refused.
/// For those there is `exec:sh -c '...'`.
///
/// A command that gives a picture and ends with exit status 0 is a still camera, and run again
/// `every` so often from start to start. `timeout` is how long it may give no picture while all is
/// well. A `#` with anything else behind it belongs to the command.
#[derive(Clone, PartialEq, Eq)]
pub struct Exec {
    program: String,
    arguments: Vec<String>,
    every: Duration,
    timeout: Option<Duration>,
}

impl Exec {
    pub(crate) fn parse(rest: &str) -> Result<Self, SourceError> {
        let (command, own) = split_parameters(rest);
        let parameters = Parameters::parse("exec", own, &PARAMETERS)?;
        let in_range = |time: &humantime::Duration| !time.is_zero() && **time <= EVERY_MAX;
        let rule = || "a time with its unit, above 0 and at most 24h, such as 5s".to_owned();
        let every = parameters
            .value("every", EVERY_DEFAULT.into(), in_range, rule)?
            .into();
        let timeout = parameters.timeout()?;
        if let Some(word) = shell_word(command) {
            return Err(SourceError::NoShell(word));
        }
        let words = shlex::split(command).filter(|_| !command.contains('\0'));
        let mut words = words.unwrap_or_default().into_iter();
        let program = words.next().ok_or(SourceError::Command)?;
        Ok(Self {
            program,
            arguments: words.collect(),
            every,
            timeout,
        })
    }
}

impl Driver for Exec {
    fn check(&self) -> Result<(), SourceError> {
        find(&self.program).map(drop)
    }

    fn run(&self, _: &mut Parts) -> Result<(), CaptureError> {
        Err(become_program(&self.program, &self.arguments).into())
    }

    fn frame_timeout(&self) -> Option<Duration> {
        Some(frame_timeout(
            self.timeout,
            Some(self.every.as_secs_f64().recip()),
        ))
    }

    fn repeat_interval(&self) -> Option<Duration> {
        Some(self.every)
    }
}

/// The command and our own parameters. A URL in the command may have a fragment of its own.
fn split_parameters(rest: &str) -> (&str, &str) {
    let is_ours = |own: &str| {
        let names = own
            .split('&')
            .map(|piece| piece.split('=').next().unwrap_or_default());
        !own.contains(char::is_whitespace)
            && names.into_iter().all(|name| PARAMETERS.contains(&name))
    };
    rest.rsplit_once('#')
        .filter(|(_, own)| is_ours(own))
        .unwrap_or((rest, ""))
}

/// The first word that only a shell understands, if it stands outside quotes: an operator, a
/// redirection, or a variable or command to be replaced. A `$` in the middle of a word may be part
/// of a password.
fn shell_word(command: &str) -> Option<String> {
    let unquoted = unquoted(command);
    unquoted.split_whitespace().find_map(|word| {
        let redirected = word
            .trim_start_matches(|character: char| character.is_ascii_digit() || character == '&');
        let is_redirection = ['<', '>'].iter().any(|&sign| redirected.starts_with(sign));
        let variable = word.strip_prefix('$').and_then(|name| name.chars().next());
        let is_variable =
            variable.is_some_and(|first| first.is_ascii_alphabetic() || "_{(".contains(first));
        let shown = match word {
            _ if OPERATORS.contains(&word) => word,
            _ if is_redirection => redirected.get(..1)?,
            _ if is_variable || word.contains("$(") || word.contains("${") => "$",
            _ if word.starts_with('`') => "`",
            _ if word.len() > 1 && word.ends_with(';') => ";",
            _ => return None,
        };
        Some(shown.to_owned())
    })
}

/// `command` with a letter in the place of each character that is quoted or escaped.
fn unquoted(command: &str) -> String {
    let mut quote = None;
    let mut escaped = false;
    let shown = command.chars().map(|character| {
        let is_quoted = quote.is_some() || escaped;
        match character {
            _ if escaped => escaped = false,
            '\\' if quote != Some('\'') => escaped = true,
            '\'' | '"' if quote.is_none() => quote = Some(character),
            _ if quote == Some(character) => quote = None,
            _ => {}
        }
        if is_quoted || quote.is_some() || escaped {
            'q'
        } else {
            character
        }
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_word_outside_quotes_is_found() {
        for (command, word) in [
            ("a | b", Some("|")),
            ("a && b", Some("&&")),
            ("a &", Some("&")),
            ("a; b", Some(";")),
            ("a >file", Some(">")),
            ("a 2>/dev/null", Some(">")),
            ("a 2>&1", Some("2>&1")),
            ("cat $HOME/x", Some("$")),
            ("cat ${HOME}", Some("$")),
            ("cat \"$HOME\"", None),
            ("cat x$(date)", Some("$")),
            ("cat `date`", Some("`")),
            ("sh -c 'a | b > $c'", None),
            ("grep \\| x", None),
            ("grep '|' \"&&\" x", None),
            ("get http://cam/?a=1&b=2;c rtsp://u:pa$word@cam/ $ 5$", None),
        ] {
            assert_eq!(shell_word(command).as_deref(), word, "{command}");
        }
    }

    #[test]
    fn own_parameters_stand_behind_the_last_hash() {
        for (text, expected) in [
            ("cat J", ("cat J", "")),
            ("cat J#every=5s", ("cat J", "every=5s")),
            ("get http://h/#frag", ("get http://h/#frag", "")),
            (
                "get http://h/#frag#every=5s&timeout=9s",
                ("get http://h/#frag", "every=5s&timeout=9s"),
            ),
            ("cat 'a#every=1s b'", ("cat 'a#every=1s b'", "")),
        ] {
            assert_eq!(split_parameters(text), expected);
        }
        for wrong in ["cat J#every=0s", "cat J#every=5", "cat J#timeout=2h"] {
            assert!(Exec::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            Exec::parse("cat J#every=60s")
                .ok()
                .and_then(|exec| exec.frame_timeout()),
            Some(Duration::from_secs(180))
        );
    }
}
