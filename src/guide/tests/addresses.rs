//! The tables of addresses and parameters: as `site` has them.

use std::collections::BTreeSet;

use super::{quoted, source, table_rows};

/// Parameters that JavaScript reads.
const OF_PAGES: [&str; 2] = ["rotate", "flip"];

/// Returns the string literals before which one of `starts` stands.
fn literals<'a>(text: &'a str, starts: &[&str]) -> BTreeSet<&'a str> {
    let found = |start: &&str| {
        text.split(*start)
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect::<Vec<_>>()
    };
    starts.iter().flat_map(found).collect()
}

#[test]
fn addresses_page_lists_each_route() {
    let routes = source("site/routes.rs");
    let routes = routes.split("#[cfg(test)]").next().unwrap();
    let mut defined: BTreeSet<&str> = routes
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|literal| literal.starts_with('/'))
        .collect();
    // A page that is found among the files.
    defined.insert("/loop");
    let rows = table_rows("addresses");
    let overview = rows.iter().filter(|(heading, _)| *heading == "Overview");
    let documented: BTreeSet<&str> = overview
        .flat_map(|(_, cells)| quoted(cells[0]))
        .filter(|address| !address.contains('?'))
        .collect();
    assert_eq!(documented, defined);
}

#[test]
fn addresses_page_lists_each_parameter() {
    let code = source("site");
    let code = code.replace("\n", " ");
    let mut read = literals(&code, &["parameter(\"", "flag(\"", "whole_number(\""]);
    // The verb of an address of mjpg-streamer.
    read.remove("action");
    read.extend(OF_PAGES);
    let rows = table_rows("addresses");
    let documented: BTreeSet<&str> = rows
        .iter()
        .filter(|(heading, _)| heading.starts_with('`') || *heading == "Every address")
        .filter_map(|(_, cells)| quoted(cells[0]).next())
        .filter(|name| name.starts_with(|first: char| first.is_ascii_lowercase()))
        .map(|parameter| parameter.split('=').next().unwrap())
        .collect();
    assert_eq!(documented, read);
}
