//! Parsers that know whether a value comes from the command line or a variable.
//!
//! Variables are often set in a file: YAML, systemd's `EnvironmentFile=`, docker's `--env-file`.
//! Their values arrive with line breaks, indentation, comments and quotes, so a variable is parsed
//! more leniently than an argument. An error names the variable and the line.

use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, Command, Error};

/// Invisible characters trimmed from a value: some editors begin a file with U+FEFF, and text
/// copied from a web page may contain U+200B.
const INVISIBLE: [char; 2] = ['\u{feff}', '\u{200b}'];

/// Parses the text of one value.
type Parse<T> = fn(&str) -> Result<T, String>;

/// A value and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given<T> {
    /// The value.
    pub value: T,
    /// The option, argument or variable that holds it, for errors: `--camera`, `SOURCE` or
    /// `FRAMECAST_CAMERA, line 2`.
    pub place: String,
    /// Whether it comes from a variable.
    pub is_variable: bool,
}

/// The values of one occurrence of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T>(Vec<Given<T>>);

impl<T> List<T> {
    /// Returns the values of all occurrences, in order.
    pub(super) fn concat(lists: Vec<Self>) -> Vec<Given<T>> {
        lists.into_iter().flat_map(|list| list.0).collect()
    }

    /// Iterates over the values, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Given<T>> {
        self.0.iter()
    }

    /// Returns the values of all occurrences, in order, without their origins.
    pub(super) fn values(lists: Vec<Self>) -> Vec<T> {
        Self::concat(lists)
            .into_iter()
            .map(|given| given.value)
            .collect()
    }
}

/// Parses one value. In a variable, ignores blanks and quotes around the value and a comment behind
/// it; in a secret, only the blanks, since quotes and `#` may belong to it.
#[derive(Clone)]
pub(super) struct One<T>(pub Parse<T>);

/// Like [`One`], and keeps the origin, for values that are validated later.
#[derive(Clone)]
pub(super) struct Placed<T>(pub Parse<T>);

/// Parses a list whose elements are separated by line breaks and by the delimiter, if there is one.
/// In a variable, ignores empty lines and comments that begin with `#`.
#[derive(Clone)]
pub(super) struct Each<T>(pub Parse<T>, pub Option<char>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for One<T> {
    type Value = T;

    fn parse_ref(&self, cmd: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, Error> {
        self.parse_ref_(cmd, arg, value, ValueSource::CommandLine)
    }

    fn parse_ref_(
        &self,
        cmd: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
        source: ValueSource,
    ) -> Result<T, Error> {
        Placed(self.0)
            .parse_ref_(cmd, arg, value, source)
            .map(|given| given.value)
    }
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Placed<T> {
    type Value = Given<T>;

    fn parse_ref(
        &self,
        cmd: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Given<T>, Error> {
        self.parse_ref_(cmd, arg, value, ValueSource::CommandLine)
    }

    fn parse_ref_(
        &self,
        cmd: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
        source: ValueSource,
    ) -> Result<Given<T>, Error> {
        let origin = Origin::new(cmd, arg, source);
        let text = origin.text(value)?;
        let text = match (origin.is_variable, origin.is_secret) {
            (false, _) => text,
            (true, true) => trimmed(text),
            (true, false) => unwrapped(without_comment(trimmed(text))),
        };
        origin.parse(self.0, text, None)
    }
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Each<T> {
    type Value = List<T>;

    fn parse_ref(&self, cmd: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<List<T>, Error> {
        self.parse_ref_(cmd, arg, value, ValueSource::CommandLine)
    }

    fn parse_ref_(
        &self,
        cmd: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
        source: ValueSource,
    ) -> Result<List<T>, Error> {
        let Self(parse, delimiter) = *self;
        let origin = Origin::new(cmd, arg, source);
        let text = origin.text(value)?;
        if !origin.is_variable {
            let texts = text
                .split('\n')
                .flat_map(|text| split_at(text, delimiter, false));
            return texts
                .map(|text| origin.parse(parse, text, None))
                .collect::<Result<_, _>>()
                .map(List);
        }
        let has_lines = unwrapped(text).contains(['\n', '\r']);
        let split = |text| split_at(text, delimiter, true);
        let lines = lines(text)
            .flat_map(|(line, text)| split(text).map(move |text| (line, unwrapped(text))));
        let given = lines.filter(|(_, text)| !text.is_empty());
        given
            .map(|(line, text)| origin.parse(parse, text, has_lines.then_some(line)))
            .collect::<Result<_, _>>()
            .map(List)
    }
}

/// Whether the variable of `arg` contains nothing but blanks and comments, as in a file that unsets
/// it.
pub(super) fn is_blank(arg: &Arg, value: &OsStr) -> bool {
    let Some(text) = value.to_str() else {
        return false;
    };
    match arg.get_action() {
        ArgAction::Append => lines(text).next().is_none(),
        _ => unwrapped(text).is_empty(),
    }
}

/// The option and the variable that a value comes from.
struct Origin<'a> {
    cmd: &'a Command,
    name: String,
    is_variable: bool,
    is_secret: bool,
}

impl<'a> Origin<'a> {
    fn new(cmd: &'a Command, arg: Option<&Arg>, source: ValueSource) -> Self {
        let is_variable = source == ValueSource::EnvVariable;
        let variable = arg.and_then(Arg::get_env).filter(|_| is_variable);
        let name = match (variable, arg) {
            (Some(variable), _) => variable.to_string_lossy().into_owned(),
            (None, Some(arg)) => arg.to_string(),
            (None, None) => String::new(),
        };
        Self {
            cmd,
            name,
            is_variable,
            is_secret: arg.is_some_and(Arg::is_hide_env_values_set),
        }
    }

    fn text<'b>(&self, value: &'b OsStr) -> Result<&'b str, Error> {
        value
            .to_str()
            .ok_or_else(|| self.error(&format!("{} is not UTF-8", self.name)))
    }

    fn parse<T>(
        &self,
        parse: Parse<T>,
        text: &str,
        line: Option<usize>,
    ) -> Result<Given<T>, Error> {
        let place = match line {
            Some(line) => format!("{}, line {line}", self.name),
            None if self.is_variable => self.name.clone(),
            None => short_name(&self.name).to_owned(),
        };
        let invalid = |problem| {
            if self.is_secret {
                self.error(&format!("{place}: {problem}"))
            } else {
                self.error(&format!(
                    "invalid value '{text}' for '{}': {problem}",
                    self.name_with(line)
                ))
            }
        };
        let value = parse(text).map_err(invalid)?;
        Ok(Given {
            value,
            place,
            is_variable: self.is_variable,
        })
    }

    fn name_with(&self, line: Option<usize>) -> String {
        line.map_or_else(
            || self.name.clone(),
            |line| format!("{}, line {line}", self.name),
        )
    }

    fn error(&self, message: &str) -> Error {
        Error::raw(ErrorKind::ValueValidation, format!("{message}\n")).with_cmd(self.cmd)
    }
}

/// Shortens `--camera <[NAME=]SOURCE>` to `--camera`, and `[[NAME=]SOURCE]...` to `SOURCE`.
fn short_name(name: &str) -> &str {
    if name.starts_with('-') {
        name.split([' ', '.', '[']).next().unwrap_or_default()
    } else {
        name.trim_end_matches(['.', ']', '>'])
            .rsplit([']', '[', '<'])
            .next()
            .unwrap_or_default()
    }
}

/// Returns the lines of a variable that are neither empty nor comments, with their numbers from 1.
/// A carriage return ends a line if there is no line feed at all.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let inner = unquoted(trimmed(text)).unwrap_or(text);
    let split = inner.split(if inner.contains('\n') { '\n' } else { '\r' });
    let numbered = split
        .zip(1..)
        .map(|(line, number)| (number, unwrapped(without_comment(trimmed(line)))));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// Splits a line at the delimiter, and in a variable at blanks too, unless it contains the path of
/// a socket.
fn split_at(text: &str, delimiter: Option<char>, is_variable: bool) -> impl Iterator<Item = &str> {
    let by_blanks = is_variable && delimiter.is_some() && !text.contains("unix:");
    text.split(move |character: char| {
        Some(character) == delimiter || by_blanks && character.is_whitespace()
    })
}

/// Removes the comment at the end: a blank, `#` and the rest, outside quotes. A source's parameters
/// begin with `#` too; there, a name and `=` follow at once.
fn without_comment(text: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (None, '"' | '\'') if before.is_whitespace() || before == '=' => {
                quote = Some(character)
            }
            (Some(open), _) if open == character => quote = None,
            (None, '#') if before.is_whitespace() && !is_parameter(&text[at + 1..]) => {
                return text[..at].trim_end();
            }
            _ => {}
        }
        before = character;
    }
    text
}

fn is_parameter(text: &str) -> bool {
    let name = text.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    })
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(|character: char| character.is_whitespace() || INVISIBLE.contains(&character))
}

/// Removes blanks and one pair of quotes around `text`. `docker run --env-file` leaves quotes in
/// place.
pub(super) fn unwrapped(text: &str) -> &str {
    let text = trimmed(text);
    unquoted(text).map_or(text, str::trim)
}

fn unquoted(text: &str) -> Option<&str> {
    let quoted = |quote| {
        text.strip_prefix(quote)
            .and_then(|text| text.strip_suffix(quote))
    };
    quoted('"')
        .or_else(|| quoted('\''))
        .filter(|inner| !inner.contains(['"', '\'']))
}
