//! Where a value was given: on the command line or in the environment.
//!
//! A variable is often written in a file: a block of YAML, an `EnvironmentFile=`, an `--env-file`
//! of a container. Such values arrive with line breaks, indentation, comments and quotes, so a
//! variable is read more leniently than an argument, and an error about it names the variable.

use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, Command, Error};

/// Invisible signs at the edges of a value: editors of other systems begin a file with U+FEFF, and
/// texts copied from a page hold U+200B.
const INVISIBLE: [char; 2] = ['\u{feff}', '\u{200b}'];

/// Parses the text of one value.
type Parse<T> = fn(&str) -> Result<T, String>;

/// A value and where it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given<T> {
    /// The value.
    pub value: T,
    /// The option, argument or variable that holds it, for errors: `--camera`, `SOURCE` or
    /// `FRAMECAST_CAMERA, line 2`.
    pub place: String,
    /// Whether it is a variable.
    pub is_variable: bool,
}

/// The values that one occurrence of an option holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T>(Vec<Given<T>>);

impl<T> List<T> {
    /// The values of all occurrences, in their order.
    pub(super) fn concat(lists: Vec<Self>) -> Vec<Given<T>> {
        lists.into_iter().flat_map(|list| list.0).collect()
    }

    /// The values in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Given<T>> {
        self.0.iter()
    }

    /// The values of all occurrences, without their places.
    pub(super) fn values(lists: Vec<Self>) -> Vec<T> {
        Self::concat(lists)
            .into_iter()
            .map(|given| given.value)
            .collect()
    }
}

/// A parser of one value; of a variable without the blanks and quotes around it and the comment
/// behind it, which stay in a secret but for the blanks: they may belong to it.
#[derive(Clone)]
pub(super) struct One<T>(pub Parse<T>);

/// The same for a value that is checked later, when an error still has to name its place.
#[derive(Clone)]
pub(super) struct Placed<T>(pub Parse<T>);

/// A parser of a list whose elements stand on lines of their own or, if there is one, before a
/// delimiter. A variable may also hold empty lines, and comments that begin with `#`.
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
        let origin = Origin::of(cmd, arg, source);
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
        let origin = Origin::of(cmd, arg, source);
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
        let lines = elements(text)
            .flat_map(|(line, text)| split(text).map(move |text| (line, unwrapped(text))));
        let given = lines.filter(|(_, text)| !text.is_empty());
        given
            .map(|(line, text)| origin.parse(parse, text, has_lines.then_some(line)))
            .collect::<Result<_, _>>()
            .map(List)
    }
}

/// Whether the variable of `arg` holds nothing, which is how a file unsets it.
pub(super) fn is_blank(arg: &Arg, value: &OsStr) -> bool {
    let Some(text) = value.to_str() else {
        return false;
    };
    match arg.get_action() {
        ArgAction::Append => elements(text).next().is_none(),
        _ => unwrapped(text).is_empty(),
    }
}

/// Where one value comes from.
struct Origin<'a> {
    cmd: &'a Command,
    name: String,
    is_variable: bool,
    is_secret: bool,
}

impl<'a> Origin<'a> {
    fn of(cmd: &'a Command, arg: Option<&Arg>, source: ValueSource) -> Self {
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
            .ok_or_else(|| self.refuse(&format!("{} is not UTF-8", self.name)))
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
            None => short(&self.name).to_owned(),
        };
        let refused = |fault| {
            if self.is_secret {
                self.refuse(&format!("{place}: {fault}"))
            } else {
                self.refuse(&format!(
                    "invalid value '{text}' for '{}': {fault}",
                    self.named(line)
                ))
            }
        };
        let value = parse(text).map_err(refused)?;
        Ok(Given {
            value,
            place,
            is_variable: self.is_variable,
        })
    }

    fn named(&self, line: Option<usize>) -> String {
        line.map_or_else(
            || self.name.clone(),
            |line| format!("{}, line {line}", self.name),
        )
    }

    fn refuse(&self, sentence: &str) -> Error {
        Error::raw(ErrorKind::ValueValidation, format!("{sentence}\n")).with_cmd(self.cmd)
    }
}

/// The name of an option without its value, `--camera` of `--camera <[NAME=]SOURCE>`; of an
/// argument, the last word of its value, `SOURCE` of `[[NAME=]SOURCE]...`.
fn short(name: &str) -> &str {
    if name.starts_with('-') {
        name.split([' ', '.', '[']).next().unwrap_or_default()
    } else {
        name.trim_end_matches(['.', ']', '>'])
            .rsplit([']', '[', '<'])
            .next()
            .unwrap_or_default()
    }
}

/// The lines of a variable that are neither empty nor comments, with their numbers from 1. A
/// carriage return ends a line where nothing else does.
fn elements(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let inner = unquoted(trimmed(text)).unwrap_or(text);
    let lines = inner.split(if inner.contains('\n') { '\n' } else { '\r' });
    let lines = lines
        .zip(1..)
        .map(|(line, number)| (number, unwrapped(without_comment(trimmed(line)))));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// The elements of a line. In a variable, blanks divide them as a delimiter does, but for the path
/// of a socket.
fn split_at(text: &str, delimiter: Option<char>, is_variable: bool) -> impl Iterator<Item = &str> {
    let by_blanks = is_variable && delimiter.is_some() && !text.contains("unix:");
    text.split(move |character: char| {
        Some(character) == delimiter || by_blanks && character.is_whitespace()
    })
}

/// `text` without the comment at its end: what follows a `#` behind a blank, outside quotes.
/// Parameters of a source begin with `#`, too, but a name and `=` follow it at once.
fn without_comment(text: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (None, '"' | '\'') if before.is_whitespace() || before == '=' => {
                quote = Some(character)
            }
            (Some(open), _) if open == character => quote = None,
            (None, '#') if before.is_whitespace() && !begins_parameter(&text[at + 1..]) => {
                return text[..at].trim_end();
            }
            _ => {}
        }
        before = character;
    }
    text
}

fn begins_parameter(text: &str) -> bool {
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

/// `text` without blanks around it and without one pair of quotes, which `docker run --env-file`
/// leaves in place.
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
