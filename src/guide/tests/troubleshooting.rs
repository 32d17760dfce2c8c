//! The messages that the page of troubleshooting quotes: each occurs in the code.

use super::{quoted, source, table_rows};

/// Sections whose first column holds no messages.
const WITHOUT_MESSAGES: [&str; 2] = ["Where to look", "No message, but something is wrong"];

/// The page quotes at least this many messages.
const MESSAGES_MIN: usize = 60;

#[test]
fn quoted_messages_occur_in_the_code() {
    // A string may go on in the next line, and hold quotes.
    let mut code = String::new();
    let everything = source("");
    for piece in everything.split("\\\n") {
        code += if code.is_empty() {
            piece
        } else {
            piece.trim_start()
        };
    }
    let rows = table_rows("troubleshooting");
    let rows = rows
        .iter()
        .filter(|(heading, _)| !WITHOUT_MESSAGES.contains(heading));
    let messages: Vec<&str> = rows.flat_map(|(_, cells)| quoted(cells[0])).collect();
    assert!(messages.len() >= MESSAGES_MIN, "{}", messages.len());
    let missing: Vec<&&str> = messages
        .iter()
        .filter(|message| {
            let mut parts = message.split('…').map(str::trim);
            !parts.all(|part| code.contains(part))
        })
        .collect();
    assert!(
        missing.is_empty(),
        "troubleshooting.md quotes messages that the code does not have: {missing:#?}"
    );
}
