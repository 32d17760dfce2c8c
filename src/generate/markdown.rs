//! Markdown as blocks: what the manual page and `framecast help` have in common.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A block of a Markdown document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// A heading; the title of a page has level 1.
    Heading {
        level: u8,
        text: Text,
    },
    Paragraph(Text),
    /// The lines of a code block, without a line break at the end.
    Code(String),
    /// A list; `start` is the number of its first item, `None` for a list with bullets.
    List {
        start: Option<u64>,
        items: Vec<Vec<Block>>,
    },
    /// A table: its header cells, and the cells of each row.
    Table {
        header: Vec<Text>,
        rows: Vec<Vec<Text>>,
    },
}

/// Inline text.
pub(super) type Text = Vec<Span>;

/// A run of inline text in one style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Span {
    Plain(String),
    /// Code and strong text, which both become bold.
    Bold(String),
    Emphasis(String),
    LineBreak,
}

/// Parses a document. HTML, pictures and the targets of links within the guide are left out; the
/// target of another link follows its text in parentheses.
pub(super) fn parse(text: &str) -> Vec<Block> {
    let mut events = Parser::new_ext(text, Options::ENABLE_TABLES);
    blocks(&mut events)
}

/// Returns inline text without its styles.
pub(super) fn plain(text: &Text) -> String {
    text.iter()
        .map(|span| match span {
            Span::Plain(text) | Span::Bold(text) | Span::Emphasis(text) => text.as_str(),
            Span::LineBreak => " ",
        })
        .collect()
}

/// Collects the blocks up to the end of the enclosing one.
fn blocks(events: &mut Parser) -> Vec<Block> {
    let mut blocks = Vec::new();
    // A tight list has text without a paragraph around it.
    let mut loose = Text::new();
    while let Some(event) = events.next() {
        let block = match event {
            Event::Start(Tag::Heading { level, .. }) => Block::Heading {
                level: level as u8,
                text: inline(events, TagEnd::Heading(level)),
            },
            Event::Start(Tag::Paragraph) => Block::Paragraph(inline(events, TagEnd::Paragraph)),
            Event::Start(Tag::CodeBlock(_)) => Block::Code(code(events)),
            Event::Start(Tag::List(start)) => Block::List {
                start,
                items: items(events),
            },
            Event::Start(Tag::Table(_)) => table(events),
            // The blocks of a quotation stand for themselves.
            Event::Start(Tag::BlockQuote(_)) => {
                flush(&mut blocks, &mut loose);
                blocks.append(&mut self::blocks(events));
                continue;
            }
            Event::End(_) => break,
            event => {
                span(event, events, &mut loose);
                continue;
            }
        };
        flush(&mut blocks, &mut loose);
        blocks.push(block);
    }
    flush(&mut blocks, &mut loose);
    blocks
}

fn flush(blocks: &mut Vec<Block>, loose: &mut Text) {
    if !loose.is_empty() {
        blocks.push(Block::Paragraph(std::mem::take(loose)));
    }
}

fn code(events: &mut Parser) -> String {
    let mut code = String::new();
    for event in events.by_ref() {
        match event {
            Event::Text(text) => code.push_str(&text),
            Event::End(TagEnd::CodeBlock) => break,
            _ => {}
        }
    }
    code.trim_end_matches('\n').to_owned()
}

fn items(events: &mut Parser) -> Vec<Vec<Block>> {
    let mut items = Vec::new();
    while let Some(Event::Start(Tag::Item)) = events.next() {
        items.push(blocks(events));
    }
    items
}

fn table(events: &mut Parser) -> Block {
    let (mut header, mut rows) = (Vec::new(), Vec::new());
    while let Some(event) = events.next() {
        match event {
            Event::Start(Tag::TableCell) => {
                let cell = inline(events, TagEnd::TableCell);
                rows.last_mut().unwrap_or(&mut header).push(cell);
            }
            Event::Start(Tag::TableRow) => rows.push(Vec::new()),
            Event::End(TagEnd::Table) => break,
            _ => {}
        }
    }
    Block::Table { header, rows }
}

/// Collects inline text up to `end`.
fn inline(events: &mut Parser, end: TagEnd) -> Text {
    let mut text = Text::new();
    while let Some(event) = events.next() {
        if event == Event::End(end) {
            break;
        }
        span(event, events, &mut text);
    }
    text
}

/// Appends what `event` begins to `text`.
fn span(event: Event, events: &mut Parser, text: &mut Text) {
    match event {
        Event::Text(plain) => text.push(Span::Plain(plain.into_string())),
        Event::Code(code) => text.push(Span::Bold(code.into_string())),
        Event::SoftBreak => text.push(Span::Plain(" ".to_owned())),
        Event::HardBreak => text.push(Span::LineBreak),
        Event::Start(Tag::Strong) => {
            let strong = inline(events, TagEnd::Strong);
            text.push(Span::Bold(plain(&strong)));
        }
        Event::Start(Tag::Emphasis) => {
            let emphasis = inline(events, TagEnd::Emphasis);
            text.push(Span::Emphasis(plain(&emphasis)));
        }
        Event::Start(Tag::Link { dest_url, .. }) => {
            let mut label = inline(events, TagEnd::Link);
            let is_shown = plain(&label) == *dest_url;
            text.append(&mut label);
            if dest_url.contains("://") && !is_shown {
                text.push(Span::Plain(format!(" ({dest_url})")));
            }
        }
        Event::Start(Tag::Image { .. }) => drop(inline(events, TagEnd::Image)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Text {
        vec![Span::Plain(text.to_owned())]
    }

    #[test]
    fn blocks_and_inline_styles_are_kept() {
        let parsed = parse(
            "# Title\n\nSome `code`, *soft*\nand **loud**.\n\n```sh\na -b\n\nc\n```\n\n\
             - one\n- two\n\n3. three\n\n| A | B |\n|---|---|\n| `a` | b |\n",
        );
        let expected = vec![
            Block::Heading {
                level: 1,
                text: words("Title"),
            },
            Block::Paragraph(vec![
                Span::Plain("Some ".into()),
                Span::Bold("code".into()),
                Span::Plain(", ".into()),
                Span::Emphasis("soft".into()),
                Span::Plain(" ".into()),
                Span::Plain("and ".into()),
                Span::Bold("loud".into()),
                Span::Plain(".".into()),
            ]),
            Block::Code("a -b\n\nc".into()),
            Block::List {
                start: None,
                items: vec![
                    vec![Block::Paragraph(words("one"))],
                    vec![Block::Paragraph(words("two"))],
                ],
            },
            Block::List {
                start: Some(3),
                items: vec![vec![Block::Paragraph(words("three"))]],
            },
            Block::Table {
                header: vec![words("A"), words("B")],
                rows: vec![vec![vec![Span::Bold("a".into())], words("b")]],
            },
        ];
        assert_eq!(parsed, expected);
    }

    #[test]
    fn link_within_the_guide_loses_its_target_and_another_shows_it() {
        for (text, shown) in [
            (
                "See [Cameras][cameras].\n\n[cameras]: cameras.md",
                "See Cameras.",
            ),
            ("See [above](#cameras).", "See above."),
            (
                "See [curl](https://curl.se/).",
                "See curl (https://curl.se/).",
            ),
            ("See <https://curl.se/>.", "See https://curl.se/."),
            ("See ![a picture](x.png)<br>this.", "See this."),
        ] {
            let [Block::Paragraph(text)] = &parse(text)[..] else {
                panic!("{text}")
            };
            assert_eq!(plain(text), shown);
        }
    }
}
