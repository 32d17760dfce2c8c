//! Errors of invalid Redis URLs.

use std::process::{Command, Stdio};

#[test]
fn invalid_option_is_reported_in_one_line() {
    let program = env!("CARGO_BIN_EXE_framecast");
    for (arguments, words) in [
        (
            vec!["capture", "redis://h/cam?max=3"],
            "redis: unknown parameter; expected no parameters",
        ),
        (
            vec!["capture", "redis://h/cam#timeout=0s"],
            "redis: invalid timeout",
        ),
        (
            vec!["publish", "redis+list://h/work?max=0"],
            "redis+list: invalid max",
        ),
        (
            vec!["publish", "redis://h/cam#timeout=1s"],
            "redis: unknown parameter; expected insecure",
        ),
        (vec!["publish", "stills:"], "invalid Redis address"),
        (
            vec!["serve", "--publish", "http://h/"],
            "--publish: invalid Redis address",
        ),
        (
            vec!["serve", "--publish", "x=redis://h/cam"],
            "unknown camera 'x'; the cameras are camera",
        ),
    ] {
        let output = Command::new(program)
            .args(&arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}
