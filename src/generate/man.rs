//! The manual page: the command line as clap describes it, then the pages of the guide.

use std::io;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, line_break, roman};

use super::markdown::{self, Block, Span, Text, plain};
use crate::guide::Page;

/// A longer word may be broken behind one of [`BREAKABLE`]: troff warns of a line that it cannot
/// break.
const UNBROKEN_CHARACTERS_MAX: usize = 24;
const BREAKABLE: [char; 6] = ['/', '&', '?', '=', ',', '_'];

/// Renders framecast(1), one page for all commands, with the pages of the guide as sections.
pub(super) fn page(command: Command, guide: &[Page]) -> Vec<u8> {
    let mut page = Vec::new();
    // Writing into memory does not fail.
    let _ = write(command, guide, &mut page);
    ascii(&String::from_utf8_lossy(&page)).into_bytes()
}

fn write(mut command: Command, guide: &[Page], page: &mut Vec<u8>) -> io::Result<()> {
    command.build();
    let notes = command
        .get_after_long_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let command = command.mut_args(one_paragraph);
    let commands: Vec<Command> = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .cloned()
        .collect();
    // An empty date would make the version take its place in the header.
    let man = Man::new(command).date(" ").manual("User Commands");
    man.render_title(page)?;
    // Left-aligned, without hyphens: options and addresses are not divided.
    Roff::new()
        .control("ad", ["l"])
        .control("nh", [])
        .to_writer(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    let mut options = Vec::new();
    man.render_options_section(&mut options)?;
    // The groups of options are parts of one section.
    let options = String::from_utf8_lossy(&options).replace("\n.SH ", "\n.SS ");
    page.extend(options.replacen(".SS OPTIONS", ".SH OPTIONS", 1).bytes());
    let mut roff = Roff::new();
    lines(&mut roff, &notes);
    roff.control("SH", ["COMMANDS"]);
    roff.to_writer(page)?;
    for command in commands {
        write_command(command, page)?;
    }
    let mut roff = Roff::new();
    entries(&mut roff, "FILES", &FILES);
    entries(&mut roff, "EXIT STATUS", &EXIT_STATUS);
    // The section with the options stands above.
    for page in guide.iter().filter(|page| page.name != "options") {
        roff.control("SH", [&*argument(&page.title().to_uppercase())]);
        blocks(&mut roff, &markdown::parse(page.text));
    }
    roff.to_writer(page)
}

/// Writes one command: its synopsis, what it does, and its options but for those of all commands.
fn write_command(mut command: Command, page: &mut Vec<u8>) -> io::Result<()> {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let about = command.get_long_about().or(command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let mut roff = Roff::new();
    roff.control("SS", [&*argument(usage)]);
    for (index, paragraph) in about.split("\n\n").enumerate() {
        if index > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(format!("{}.", paragraph.trim_end_matches('.')))]);
    }
    if command.get_name() == "serve" {
        roff.text([roman("Its options are those above.")]);
        return roff.to_writer(page);
    }
    roff.to_writer(page)?;

    let common = ["verbose", "quiet", "help"];
    let command = command.mut_args(|arg| {
        let is_common = common.contains(&arg.get_id().as_str());
        let hidden = is_common || arg.is_hide_set();
        one_paragraph(arg).hide(hidden)
    });
    let after_help = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut options = Vec::new();
    Man::new(command).render_options_section(&mut options)?;
    // The options of a command are part of its section.
    page.extend(
        String::from_utf8_lossy(&options)
            .lines()
            .filter(|line| !line.starts_with(".SH"))
            .flat_map(|line| [line, "\n"])
            .flat_map(str::bytes),
    );
    let mut roff = Roff::new();
    lines(&mut roff, &after_help);
    roff.to_writer(page)
}

/// Joins the paragraphs of an option's long help, which clap_mangen would divide by a blank line.
fn one_paragraph(arg: Arg) -> Arg {
    let Some(help) = arg.get_long_help().map(ToString::to_string) else {
        return arg;
    };
    let sentences = help.split("\n\n").map(|paragraph| {
        let end = if paragraph.ends_with(['.', ']']) {
            ""
        } else {
            "."
        };
        format!("{paragraph}{end}")
    });
    arg.long_help(sentences.collect::<Vec<_>>().join(" "))
}

/// Appends text as it is laid out, line by line.
fn lines(roff: &mut Roff, text: &str) {
    if !text.is_empty() {
        roff.control("PP", []);
        code(roff, text);
    }
}

fn blocks(roff: &mut Roff, blocks: &[Block]) {
    for block in blocks {
        match block {
            // The title of the page is the title of the section.
            Block::Heading { level: 1, .. } => {}
            Block::Heading { level: 2, text } => {
                roff.control("SS", [&*argument(&plain(text))]);
            }
            Block::Heading { text, .. } => {
                roff.control("PP", []).text([bold(plain(text))]);
            }
            Block::Paragraph(text) => {
                roff.control("PP", []).text(inlines(text));
            }
            Block::Code(text) => {
                roff.control("PP", []);
                code(roff, text);
            }
            Block::List { start, items } => list(roff, *start, items),
            Block::Table { header, rows } => table(roff, header, rows),
        }
    }
}

fn code(roff: &mut Roff, text: &str) {
    roff.control("RS", ["4"]).control("nf", []);
    for line in text.lines() {
        // An empty line would be a blank line in the source, which man pages avoid.
        if line.is_empty() {
            roff.control("sp", []);
        } else {
            roff.text([roman(line)]);
        }
    }
    roff.control("fi", []).control("RE", []);
}

fn list(roff: &mut Roff, start: Option<u64>, items: &[Vec<Block>]) {
    for (item, number) in items.iter().zip(start.unwrap_or_default()..) {
        let marker = start.map_or_else(|| r"\(bu".to_owned(), |_| format!("{number}."));
        roff.control("IP", [&*marker, "4"]);
        let mut item = item.iter();
        if let Some(Block::Paragraph(text)) = item.as_slice().first() {
            roff.text(inlines(text));
            item.next();
        }
        roff.control("RS", ["4"]);
        blocks(roff, item.as_slice());
        roff.control("RE", []);
    }
}

/// Appends a table as a list of tagged paragraphs: the first cell is the tag, the others follow
/// with the names of their columns. The columns of most tables would not fit.
fn table(roff: &mut Roff, header: &[Text], rows: &[Vec<Text>]) {
    for row in rows {
        let Some((first, others)) = row.split_first() else {
            continue;
        };
        roff.control("TP", []);
        roff.text(if first.is_empty() {
            vec![roman(" ")]
        } else {
            inlines(first)
        });
        let mut body = Vec::new();
        for (name, cell) in header.iter().skip(1).zip(others) {
            if cell.is_empty() {
                continue;
            }
            if !body.is_empty() {
                body.push(line_break());
            }
            // In a table of two columns, the second explains the first.
            if others.len() > 1 && !name.is_empty() {
                body.push(italic(format!("{}: ", plain(name))));
            }
            body.extend(inlines(cell));
        }
        if !body.is_empty() {
            roff.text(body);
        }
    }
}

fn inlines(text: &Text) -> Vec<Inline> {
    text.iter()
        .map(|span| match span {
            Span::Plain(text) => roman(text),
            Span::Bold(text) => bold(text),
            Span::Emphasis(text) => italic(text),
            Span::LineBreak => line_break(),
        })
        .collect()
}

fn entries(roff: &mut Roff, title: &str, entries: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (term, text) in entries {
        roff.control("TP", [])
            .text([bold(*term)])
            .text([roman(*text)]);
    }
}

/// Escapes an argument of a control line, which [`Roff::control`] only puts into quotes.
fn argument(text: &str) -> String {
    text.replace('\\', r"\e")
        .replace('"', r"\(dq")
        .replace('-', r"\-")
}

/// Replaces other characters than ASCII by escapes (groff_char(7)), so that the page needs no
/// preprocessor, and allows troff to break long words.
fn ascii(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    for line in page.lines() {
        let breaks = !line.starts_with('.');
        for word in line.split_inclusive(' ') {
            let breaks = breaks && word.chars().count() > UNBROKEN_CHARACTERS_MAX;
            for character in word.chars() {
                match character {
                    ' '..='~' => out.push(character),
                    _ => out.push_str(&format!("\\[u{:04X}]", u32::from(character))),
                }
                if breaks && BREAKABLE.contains(&character) {
                    out.push_str(r"\:");
                }
            }
        }
        out.push('\n');
    }
    out
}

const FILES: [(&str, &str); 1] = [(
    "/etc/default/framecast",
    "The variables of the service, if framecast is installed as a package.",
)];

const EXIT_STATUS: [(&str, &str); 3] = [
    ("0", "Success."),
    (
        "1",
        "The program could not start or go on, for example because an address is in use.",
    ),
    (
        "2",
        "Invalid command line, variable or file of credentials.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(markdown: &str) -> String {
        let mut roff = Roff::new();
        blocks(&mut roff, &markdown::parse(markdown));
        ascii(&roff.to_roff())
    }

    #[test]
    fn markdown_becomes_roff() {
        for (markdown, roff) in [
            ("## A \"b\"", ".SS \"A \\(dqb\\(dq\"\n"),
            ("Say `--x`.", ".PP\nSay \\fB\\-\\-x\\fR.\n"),
            (
                "```sh\n.a\n\n\\b\n```",
                ".PP\n.RS 4\n.nf\n\\&.a\n.sp\n\\\\b\n.fi\n.RE\n",
            ),
            ("5 \u{b5}s", ".PP\n5 \\[u00B5]s\n"),
            ("| A | B |\n|---|---|\n| `a` | b |", ".TP\n\\fBa\\fR\nb\n"),
            (
                "| A | B | C |\n|---|---|---|\n| a | b | c |",
                ".TP\na\n\\fIB: \\fRb\n.br\n\\fIC: \\fRc\n",
            ),
            ("- a\n", ".IP \\(bu 4\na\n.RS 4\n.RE\n"),
        ] {
            assert_eq!(rendered(markdown), roff, "{markdown}");
        }
    }
}
