//! A page of the guide as text for a terminal.

use super::markdown::{self, Block, Text, plain};

/// The indentation of everything below a heading, in columns.
const INDENT: usize = 2;

/// The narrowest text, in columns, however narrow the terminal is.
const WIDTH_MIN: usize = 40;

/// Renders Markdown as lines of at most `width` columns. Code and words that are longer are not
/// broken.
pub(super) fn page(markdown: &str, width: usize) -> String {
    let mut out = String::new();
    render(
        &markdown::parse(markdown),
        0,
        width.max(WIDTH_MIN),
        &mut out,
    );
    out
}

fn render(blocks: &[Block], indent: usize, width: usize, out: &mut String) {
    for block in blocks {
        if !out.is_empty() && !out.ends_with("\n\n") && !out.ends_with("  ") {
            out.push('\n');
        }
        let text_indent = indent.max(INDENT);
        match block {
            Block::Heading { level: 1, text } => line(out, 0, &plain(text).to_uppercase()),
            Block::Heading { text, .. } => line(out, 0, &plain(text)),
            Block::Paragraph(text) => paragraph(out, text_indent, width, &plain(text)),
            Block::Code(code) => code
                .lines()
                .for_each(|code| line(out, text_indent + INDENT, code)),
            Block::List { start, items } => list(*start, items, text_indent, width, out),
            Block::Table { header, rows } => table(header, rows, text_indent, width, out),
        }
    }
}

fn list(start: Option<u64>, items: &[Vec<Block>], indent: usize, width: usize, out: &mut String) {
    for (item, number) in items.iter().zip(start.unwrap_or_default()..) {
        let marker = start.map_or_else(|| "- ".to_owned(), |_| format!("{number}. "));
        let mut text = String::new();
        render(item, indent + marker.len(), width, &mut text);
        // The marker stands where the first line is indented.
        let text = text.trim_start();
        out.push_str(&format!("{:indent$}{marker}{text}", ""));
    }
}

/// Renders a table in columns if they fit, or else each row as its first cell and, indented, the
/// others with the names of their columns.
fn table(header: &[Text], rows: &[Vec<Text>], indent: usize, width: usize, out: &mut String) {
    let header: Vec<String> = header.iter().map(plain).collect();
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(plain).collect())
        .collect();
    let cells = |column: usize| {
        rows.iter()
            .chain([&header])
            .filter_map(move |row| row.get(column))
    };
    let widths: Vec<usize> = (0..header.len())
        .map(|column| cells(column).map(|cell| columns(cell)).max().unwrap_or(0))
        .collect();
    if indent + widths.iter().map(|width| width + 2).sum::<usize>() <= width + 2 {
        let row = |cells: &[String]| -> String {
            let padded = cells
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell}{:1$}", "", width - columns(cell) + 2));
            padded.collect()
        };
        line(out, indent, row(&header).trim_end());
        let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
        line(out, indent, row(&rule).trim_end());
        rows.iter()
            .for_each(|cells| line(out, indent, row(cells).trim_end()));
        return;
    }
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let Some((first, others)) = row.split_first() else {
            continue;
        };
        paragraph(out, indent, width, first);
        for (name, cell) in header
            .iter()
            .skip(1)
            .zip(others)
            .filter(|(_, cell)| !cell.is_empty())
        {
            // In a table of two columns, the second explains the first.
            let text = match others.len() {
                1 => cell.clone(),
                _ if name.is_empty() => cell.clone(),
                _ => format!("{name}: {cell}"),
            };
            paragraph(out, indent + 2 * INDENT, width, &text);
        }
    }
}

fn paragraph(out: &mut String, indent: usize, width: usize, text: &str) {
    let mut current = String::new();
    for word in text.split_whitespace() {
        let needed = indent + columns(&current) + 1 + columns(word);
        if !current.is_empty() && needed > width {
            line(out, indent, &current);
            current.clear();
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    if !current.is_empty() {
        line(out, indent, &current);
    }
}

fn line(out: &mut String, indent: usize, text: &str) {
    if text.is_empty() {
        out.push('\n');
    } else {
        out.push_str(&format!("{:indent$}{text}\n", ""));
    }
}

/// Returns the width of `text`, in columns; the guide has no wide characters.
fn columns(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_wrapped_and_indented() {
        let page = page(
            "# Title\n\nOne two three four five six seven eight nine ten.\n\n## Part\n\n\
             - a\n- b c\n\n```sh\nframecast --camera front=/dev/video0 --always-on\n```\n",
            40,
        );
        let expected = "TITLE\n\n  One two three four five six seven\n  eight nine ten.\n\nPart\n\n  \
                        - a\n  - b c\n\n    framecast --camera front=/dev/video0 --always-on\n";
        assert_eq!(page, expected);
    }

    #[test]
    fn table_that_is_too_wide_becomes_a_list() {
        let table =
            "| Limit | Default | Option |\n|---|---|---|\n| viewers | 20,000 | `--viewers-max` |\n";
        assert_eq!(
            page(table, 60),
            "  Limit    Default  Option\n  -------  -------  -------------\n  viewers  20,000   --viewers-max\n"
        );
        assert_eq!(
            page(table, 30).lines().count(),
            3,
            "at {WIDTH_MIN} columns it still fits"
        );
        let wide = table.replace("20,000", "twenty thousand of them at one time");
        assert_eq!(
            page(&wide, 40),
            "  viewers\n      Default: twenty thousand of them\n      at one time\n      Option: --viewers-max\n"
        );
    }
}
