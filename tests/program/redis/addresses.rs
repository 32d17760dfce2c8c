//! How invalid addresses in Redis are refused. No Redis is needed for it.

use std::process::{Command, Stdio};

#[test]
fn a_bad_option_is_told_in_one_sentence() {
    let program = env!("CARGO_BIN_EXE_framecast");
    for (arguments, words) in [
        (
            vec!["capture", "redis://h/cam?max=3"],
            "redis has no such parameter; it takes none here",
        ),
        (
            vec!["capture", "redis://h/cam#timeout=0s"],
            "is no timeout for redis; write a time with its unit",
        ),
        (
            vec!["publish", "redis+list://h/work?max=0"],
            "is no max for redis+list; write a whole number from 1",
        ),
        (
            vec!["publish", "redis://h/cam#timeout=1s"],
            "redis has no such parameter; it takes insecure",
        ),
        (vec!["publish", "stills:"], "that is no address in Redis"),
        (
            vec!["serve", "--publish", "http://h/"],
            "--publish: that is no address in Redis",
        ),
        (
            vec!["serve", "--publish", "x=redis://h/cam"],
            "there is no camera called 'x'; the cameras are camera",
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
