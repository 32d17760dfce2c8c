//! Where a value was given: on the command line or in the environment.
//!
//! A variable is often written in a file: a block of YAML, an `EnvironmentFile=`, an `--env-file` of a container. Such
//! values arrive with line breaks, indentation, comments and quotes, so a variable is read more leniently than an
//! argument, and an error about it names the variable.

use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, Command, Error};

/// Editors of other systems begin a file with it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Parses the text of one value.
type Parse<T> = fn(&str) -> Result<T, String>;

/// A value and where it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given<T> {
    /// The value.
    pub value: T,
    /// The option, argument or variable that holds it, for errors: `--camera`, `SOURCE` or `FRAMECAST_CAMERA, line 2`.
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
        Self::concat(lists).into_iter().map(|given| given.value).collect()
    }
}

/// A parser of one value; of a variable without the blanks and quotes around it.
#[derive(Clone)]
pub(super) struct One<T>(pub Parse<T>);

/// The same for a value that is checked later, when an error still has to name its place.
#[derive(Clone)]
pub(super) struct Placed<T>(pub Parse<T>);

/// A parser of a list whose elements stand on lines of their own or, if there is one, before a delimiter. A variable
/// may also hold empty lines, and comments that begin with `#`.
#[derive(Clone)]
pub(super) struct Each<T>(pub Parse<T>, pub Option<char>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for One<T> {
    type Value = T;

    fn parse_ref(&self, cmd: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, Error> {
        self.parse_ref_(cmd, arg, value, ValueSource::CommandLine)
    }

    fn parse_ref_(&self, cmd: &Command, arg: Option<&Arg>, value: &OsStr, source: ValueSource) -> Result<T, Error> {
        Placed(self.0).parse_ref_(cmd, arg, value, source).map(|given| given.value)
    }
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Placed<T> {
    type Value = Given<T>;

    fn parse_ref(&self, cmd: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Given<T>, Error> {
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
        let text = if origin.is_variable { unwrapped(text, origin.is_secret) } else { text };
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
        let split = |text| split_at(text, delimiter);
        if !origin.is_variable {
            let texts = text.split('\n').flat_map(split);
            return texts.map(|text| origin.parse(parse, text, None)).collect::<Result<_, _>>().map(List);
        }
        let has_lines = unwrapped(text, false).contains('\n');
        let lines = elements(text).flat_map(|(line, text)| split(text).map(move |text| (line, unwrapped(text, false))));
        let given = lines.filter(|(_, text)| !text.is_empty());
        given
            .map(|(line, text)| origin.parse(parse, text, has_lines.then_some(line)))
            .collect::<Result<_, _>>()
            .map(List)
    }
}

/// Whether the variable of `arg` holds nothing, which is how a file unsets it.
pub(super) fn is_blank(arg: &Arg, value: &OsStr) -> bool {
    let Some(text) = value.to_str() else { return false };
    match arg.get_action() {
        ArgAction::Append => elements(text).next().is_none(),
        _ => unwrapped(text, false).is_empty(),
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
        Self { cmd, name, is_variable, is_secret: arg.is_some_and(Arg::is_hide_env_values_set) }
    }

    fn text<'b>(&self, value: &'b OsStr) -> Result<&'b str, Error> {
        value.to_str().ok_or_else(|| self.refuse(&format!("{} is not UTF-8", self.name)))
    }

    fn parse<T>(&self, parse: Parse<T>, text: &str, line: Option<usize>) -> Result<Given<T>, Error> {
        let short = self.name.split([' ', '.', '[']).find(|word| !word.is_empty()).unwrap_or_default();
        let place = match line {
            Some(line) => format!("{}, line {line}", self.name),
            None if self.is_variable => self.name.clone(),
            None => short.trim_matches(['<', '>', ']']).to_owned(),
        };
        let refused = |fault| match self.is_secret {
            true => self.refuse(&format!("{place}: {fault}")),
            false => self.refuse(&format!("invalid value '{text}' for '{}': {fault}", self.named(line))),
        };
        let value = parse(text).map_err(refused)?;
        Ok(Given { value, place, is_variable: self.is_variable })
    }

    fn named(&self, line: Option<usize>) -> String {
        line.map_or_else(|| self.name.clone(), |line| format!("{}, line {line}", self.name))
    }

    fn refuse(&self, sentence: &str) -> Error {
        Error::raw(ErrorKind::ValueValidation, format!("{sentence}\n")).with_cmd(self.cmd)
    }
}

/// The lines of a variable that are neither empty nor comments, with their numbers from 1.
fn elements(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = unquoted(text.trim())
        .unwrap_or(text)
        .split('\n')
        .zip(1..)
        .map(|(line, number)| (number, unwrapped(line, false)));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn split_at(text: &str, delimiter: Option<char>) -> impl Iterator<Item = &str> {
    text.split(move |character| Some(character) == delimiter)
}

/// `text` without blanks around it and without one pair of quotes, which `docker run --env-file` leaves in place. In a
/// secret, quotes stay: they may belong to it.
fn unwrapped(text: &str, is_secret: bool) -> &str {
    let text = text.trim_start_matches(BYTE_ORDER_MARK).trim();
    match unquoted(text) {
        Some(inner) if !is_secret => inner.trim(),
        _ => text,
    }
}

fn unquoted(text: &str) -> Option<&str> {
    let quoted = |quote| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).filter(|inner| !inner.contains(['"', '\'']))
}
