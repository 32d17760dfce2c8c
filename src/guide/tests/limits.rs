//! The tables of limits: as the options and the code have them.

use clap::CommandFactory;

use super::{quoted, source, table_rows};
use crate::options::Options;

/// For each fixed limit of the page, where it is defined.
const DEFINED: [(&str, &str, &str); 15] = [
    (
        "request line",
        "wire/http/head.rs",
        "REQUEST_LINE_BYTES_MAX: usize = 8 * 1024",
    ),
    (
        "request head",
        "wire/http/head.rs",
        "HEAD_BYTES_MAX: usize = 16 * 1024",
    ),
    (
        "requests on one connection",
        "stream/limits.rs",
        "requests_per_connection_max: 100",
    ),
    (
        "a TLS handshake",
        "stream/limits.rs",
        "handshake_timeout: Duration::from_secs(5)",
    ),
    (
        "TLS handshake steps in a turn",
        "server/tls/mod.rs",
        "HANDSHAKE_STEPS_MAX: u32 = 8",
    ),
    (
        "waiting for a frame (`/snapshot`)",
        "stream/limits.rs",
        "wait_timeout: Duration::from_secs(10)",
    ),
    (
        "silence of a table or of events",
        "stream/limits.rs",
        "keep_alive_after: Duration::from_secs(15)",
    ),
    (
        "clips that are sent at one time",
        "stream/limits.rs",
        "clips_max: 100",
    ),
    (
        "an AVI",
        "wire/avi.rs",
        "FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024",
    ),
    (
        "frames that are remembered for tables and events",
        "stream/event_log.rs",
        "RECORDS_MAX: usize = 1000",
    ),
    (
        "bodies that are produced in a turn",
        "stream/limits.rs",
        "make_budget_bytes: 64 * 1024",
    ),
    (
        "connections that are written to in a turn",
        "stream/limits.rs",
        "sends_per_turn_max: 256",
    ),
    (
        "failed logins",
        "site/auth/failures.rs",
        "FAILURES_MAX: u32 = 10",
    ),
    (
        "passwords that wait to be checked",
        "site/auth/checks.rs",
        "CHECKS_MAX: usize = 64",
    ),
    (
        "a request that is incomplete at SIGTERM",
        "stream/limits.rs",
        "last_call_timeout: Duration::from_millis(500)",
    ),
];

/// Rows whose values stand in several places.
const OTHERS: [&str; 1] = ["log"];

#[test]
fn limits_page_has_the_defaults_of_the_options() {
    let command = Options::command();
    let rows = table_rows("limits");
    let mut count = 0;
    for (_, cells) in rows
        .iter()
        .filter(|(heading, _)| *heading == "Set by an option")
    {
        let option = quoted(cells[2]).next().unwrap();
        let arg = command
            .get_arguments()
            .find(|arg| arg.get_long() == option.strip_prefix("--"))
            .unwrap_or_else(|| panic!("there is no option {option}"));
        let default = arg.get_default_values()[0].to_string_lossy();
        assert_eq!(cells[1].trim_end_matches(" MiB"), default, "{option}");
        assert_eq!(
            cells[1].ends_with(" MiB"),
            option.ends_with("-mib"),
            "{option}"
        );
        count += 1;
    }
    assert!(count > 10, "{count} rows");
}

#[test]
fn limits_page_has_the_fixed_limits_of_the_code() {
    let rows = table_rows("limits");
    let rows = rows.iter().filter(|(heading, _)| *heading == "Fixed");
    let documented: Vec<&str> = rows.map(|(_, cells)| cells[0]).collect();
    let mut expected: Vec<&str> = DEFINED.iter().map(|(row, ..)| *row).collect();
    expected.extend(OTHERS);
    assert_eq!(documented, expected);
    for (row, file, definition) in DEFINED {
        assert!(
            source(file).contains(definition),
            "{row}: src/{file} has no \"{definition}\"; change it here, and the value on the page"
        );
    }
}
