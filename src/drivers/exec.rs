//! The source `exec`: a command that writes frames to its standard output, such as ffmpeg,
//! rpicam-vid or a script.
//!
//! The driver replaces itself by the command (execve(2)): the command writes to the server's pipe,
//! and the server's signals go to the command.

use std::time::Duration;

use super::driver::{Driver, FrameWriter, frame_timeout};
use super::error::{CaptureError, SourceError};
use super::parameters::Parameters;
use super::program;

/// The default of `every`: the time from one start to the next of a command that writes one picture
/// and exits.
const EVERY_DEFAULT: Duration = Duration::from_secs(1);
const EVERY_MAX: Duration = Duration::from_secs(24 * 3600);

/// The parameters of the source, after the last `#`.
const PARAMETERS: [&str; 2] = ["every", "timeout"];

/// The operators of a shell.
const OPERATORS: [&str; 16] = [
    "|", "||", "|&", "&", "&&", ";", ";;", "<", "<<", "<<<", ">", ">>", "2>", "2>>", "&>", "2>&1",
];

/// `exec:COMMAND ARGUMENTS#every=1s&timeout=5s`. The command is split into words with the quotes of
/// a shell, but run without a shell: `*` and `~` are not expanded, and operators and variables are
/// rejected. For those, write `exec:sh -c '...'`.
///
/// A command that writes one picture and exits with status 0 is a still camera: it is run again,
/// and `every` is the time from one start to the next. `timeout` is the frame timeout. A `#` with
/// other text after it belongs to the command.
#[derive(Clone, PartialEq, Eq)]
pub struct Exec {
    program: String,
    arguments: Vec<String>,
    every: Duration,
    timeout: Option<Duration>,
}

impl Exec {
    pub(crate) fn parse(rest: &str) -> Result<Self, SourceError> {
        let (command, parameters) = split_parameters(rest);
        let parameters = Parameters::parse("exec", parameters, &PARAMETERS)?;
        let in_range = |time: &humantime::Duration| !time.is_zero() && **time <= EVERY_MAX;
        let expected = || "a time with its unit, above 0 and at most 24h, such as 5s".to_owned();
        let every = parameters
            .value("every", EVERY_DEFAULT.into(), in_range, expected)?
            .into();
        let timeout = parameters.timeout()?;
        if let Some(syntax) = shell_syntax(command) {
            return Err(SourceError::ShellSyntax(syntax));
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
        program::find(&self.program).map(drop)
    }

    fn run(&self, _: &mut FrameWriter) -> Result<(), CaptureError> {
        Err(program::exec(&self.program, &self.arguments).into())
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

/// Splits the command from the parameters of the source. A URL in the command may have a fragment
/// of its own.
fn split_parameters(rest: &str) -> (&str, &str) {
    let are_parameters = |text: &str| {
        let mut names = text
            .split('&')
            .map(|pair| pair.split('=').next().unwrap_or_default());
        !text.contains(char::is_whitespace) && names.all(|name| PARAMETERS.contains(&name))
    };
    rest.rsplit_once('#')
        .filter(|(_, parameters)| are_parameters(parameters))
        .unwrap_or((rest, ""))
}

/// Finds the first shell syntax outside quotes: an operator, a redirection, a variable or a command
/// substitution. A `$` inside a word is allowed: it may be part of a password.
fn shell_syntax(command: &str) -> Option<String> {
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

/// Replaces each quoted or escaped character of `command` by a letter.
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
    fn shell_syntax_outside_quotes_is_found() {
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
            assert_eq!(shell_syntax(command).as_deref(), word, "{command}");
        }
    }

    #[test]
    fn parameters_follow_the_last_hash() {
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
        for invalid in ["cat J#every=0s", "cat J#every=5", "cat J#timeout=2h"] {
            assert!(Exec::parse(invalid).is_err(), "{invalid}");
        }
        assert_eq!(
            Exec::parse("cat J#every=60s")
                .ok()
                .and_then(|exec| exec.frame_timeout()),
            Some(Duration::from_secs(180))
        );
    }
}
