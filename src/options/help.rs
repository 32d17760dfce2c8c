//! `framecast help`: the help of a command, or a page of the guide.

use std::io::{self, Write};

use clap::{Args, Command, CommandFactory};
use rustix::termios::tcgetwinsize;

use super::{Options, hints};
use crate::generate::page_text;
use crate::guide::{PAGES, Page};

/// The width of a page, in columns, where standard output is no terminal.
const WIDTH_DEFAULT: usize = 80;

/// The widest page, in columns: longer lines are hard to read.
const WIDTH_MAX: usize = 100;

/// The options of `framecast help`.
#[derive(Debug, Args)]
pub struct Help {
    /// Name of a command or a topic [default: a list of both]
    topic: Option<String>,
}

/// The topic is neither a command nor a page of the guide.
#[derive(Debug, thiserror::Error)]
#[error("unknown command or topic '{topic}'; {remedy}")]
pub struct UnknownTopic {
    topic: String,
    remedy: String,
}

impl Help {
    /// Returns the text to print: the help of the command and the page of the guide with that name.
    ///
    /// # Errors
    /// There is neither.
    pub fn text(&self) -> Result<String, UnknownTopic> {
        let mut command = Options::command();
        command.build();
        let Some(topic) = &self.topic else {
            return Ok(contents(command));
        };
        let subcommand = command
            .find_subcommand_mut(topic)
            .map(|command| command.render_long_help().to_string());
        let page = Page::find(topic).map(|page| page_text(page, width()));
        let texts: Vec<String> = subcommand.into_iter().chain(page).collect();
        if texts.is_empty() {
            return Err(UnknownTopic {
                topic: topic.clone(),
                remedy: remedy(topic, &command),
            });
        }
        Ok(texts.join("\n"))
    }

    /// Prints the text. A closed pipe, as of a pager that was left, is no error.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub fn print(text: &str) -> io::Result<()> {
        match io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }
}

/// Returns the list of commands and topics.
fn contents(command: Command) -> String {
    let longest = PAGES.iter().map(|page| page.name.len()).max().unwrap_or(0);
    let topics = PAGES.iter().map(|page| {
        let (name, title) = (page.name, page.title());
        format!("  {name:longest$}  {title}\n")
    });
    let topics: String = topics.collect();
    command
        .help_template(
            "{about-with-newline}\n{usage-heading} {usage}\n\nCommands:\n{subcommands}{after-help}",
        )
        .after_help(format!(
            "Topics:\n{topics}\n\"framecast help NAME\" prints the help of a command or a topic, \
             \"framecast --help\" the options."
        ))
        .render_help()
        .to_string()
}

fn remedy(topic: &str, command: &Command) -> String {
    let commands = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(Command::get_name);
    let known = commands.chain(PAGES.iter().map(|page| page.name));
    match hints::most_similar(topic, known) {
        Some(similar) => format!("did you mean '{similar}'? \"framecast help\" lists all"),
        None => "\"framecast help\" lists them".to_owned(),
    }
}

/// Returns the width of the terminal, bounded.
fn width() -> usize {
    tcgetwinsize(io::stdout()).map_or(WIDTH_DEFAULT, |size| {
        usize::from(size.ws_col).clamp(1, WIDTH_MAX)
    })
}
