//! `FRAMECAST_*` variables as files of YAML, systemd and containers hold them.

use std::collections::BTreeMap;

use rustix::process::Signal;
use serde_json::Value;

use super::{WRONG, assert_rejected, framecast, refused};
use crate::support::Program;

/// Starts a server with these variables.
fn serve(variables: &[(&str, &str)]) -> Program {
    let mut command = framecast();
    command.envs(variables.iter().copied());
    if !variables
        .iter()
        .any(|(name, _)| *name == "FRAMECAST_LISTEN")
    {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    Program::start(command)
}

/// The names of the cameras and what they show.
fn cameras(program: &Program) -> BTreeMap<String, String> {
    let state = program.state();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let cameras = state["cameras"].as_array().expect("a list");
    cameras
        .iter()
        .map(|camera| (text(&camera["name"]), text(&camera["source"])))
        .collect()
}

fn warnings(program: Program) -> String {
    program.signal(Signal::TERM);
    let (status, words) = program.wait();
    assert!(status.success(), "{words}");
    words
}

#[test]
fn camera_variable_with_lines_blanks_and_comments_lists_cameras() {
    let texts = [
        "a=pattern:64x48\nb=pattern:32x32",
        "a=pattern:64x48\nb=pattern:32x32\n",
        "a=pattern:64x48\r\nb=pattern:32x32\r\n",
        "\n\n  a=pattern:64x48  \n\t\n  b=pattern:32x32\n\n",
        "# the yard\na=pattern:64x48\n  # the door = stills:\nb=pattern:32x32",
        "\u{feff}a=pattern:64x48\n\"b=pattern:32x32\"",
        "'a=pattern:64x48\nb=pattern:32x32'",
        "a = pattern:64x48\nb= pattern:32x32",
        "a=pattern:64x48 # the yard\nb=pattern:32x32\t# the door",
        "a=\"pattern:64x48\"\n'b'='pattern:32x32'  # quoted",
        "a=pattern:64x48\rb=pattern:32x32",
        "\u{200b}a=pattern:64x48\u{200b}\nb=pattern:32x32\u{a0}",
    ];
    for text in texts {
        let cameras = cameras(&serve(&[("FRAMECAST_CAMERA", text)]));
        assert_eq!(cameras.keys().collect::<Vec<_>>(), ["a", "b"], "{text:?}");
        assert!(
            cameras["a"].starts_with("pattern:64x48") && cameras["b"].starts_with("pattern:32x32"),
            "{text:?}"
        );
    }
}

#[test]
fn hash_that_begins_no_comment_is_part_of_the_camera() {
    let text = "a#1=exec:sh -c 'exit # 2'\nb=exec:false#every=5s\nc=exec:false #every=5s";
    let cameras = cameras(&serve(&[("FRAMECAST_CAMERA", text)]));
    assert_eq!(cameras.keys().collect::<Vec<_>>(), ["a#1", "b", "c"]);
    assert!(
        cameras["a#1"].contains("exit # 2") && cameras["b"].contains("every=5s"),
        "{cameras:?}"
    );
}

#[test]
fn camera_names_are_compared_in_normal_form() {
    let composed = serve(&[("FRAMECAST_CAMERA", "Ku\u{308}che=pattern:64x48")]);
    assert_eq!(
        cameras(&composed).keys().collect::<Vec<_>>(),
        ["K\u{fc}che"]
    );
    assert!(
        composed
            .get("/snapshot?camera=Ku%CC%88che")
            .head
            .starts_with("HTTP/1.1 200 ")
    );
    let twice = "K\u{fc}che=pattern:64x48\nKu\u{308}che=pattern:32x32";
    let mut command = framecast();
    command.env("FRAMECAST_CAMERA", twice);
    assert_rejected(
        twice,
        refused(command),
        (2, "duplicate camera name 'K\u{fc}che'"),
    );
}

#[test]
fn listen_variable_with_lines_and_commas_lists_addresses() {
    for text in [
        "127.0.0.1:0\n127.0.0.2:0\n",
        " 127.0.0.1:0 , 127.0.0.2:0 ",
        "# local\n127.0.0.1:0\r\n\r\n127.0.0.2:0",
        "127.0.0.1:0 127.0.0.2:0 # both",
    ] {
        let mut program = serve(&[("FRAMECAST_LISTEN", text)]);
        assert!(program.line().contains("127.0.0.2:"), "{text:?}");
    }
}

#[test]
fn empty_variable_counts_as_unset() {
    for blank in ["", " ", "\n", "\r\n", "\"\""] {
        let names: Vec<String> = WRONG
            .iter()
            .filter(|(option, ..)| *option != "listen")
            .map(|(option, ..)| format!("FRAMECAST_{}", option.to_uppercase().replace('-', "_")))
            .collect();
        let variables: Vec<(&str, &str)> =
            names.iter().map(|name| (name.as_str(), blank)).collect();
        let words = warnings(serve(&variables));
        assert!(!words.contains("FRAMECAST_"), "{blank:?}: {words}");
    }
    let comments = serve(&[("FRAMECAST_CAMERA", "# front=/dev/video0\n")]);
    assert_eq!(cameras(&comments).keys().collect::<Vec<_>>(), ["camera"]);
}

#[test]
fn line_break_behind_a_variable_is_ignored() {
    let values = [
        ("FRAMECAST_LISTEN", "127.0.0.1:0\n"),
        ("FRAMECAST_ALWAYS_ON", "true\n"),
        ("FRAMECAST_OFFLINE", "last\n"),
        ("FRAMECAST_CAMERA_LINGER", "\"5s\""),
        ("FRAMECAST_BOUNDARY", "word\r\n"),
        ("FRAMECAST_VIEWERS_MAX", " 7\n"),
        ("FRAMECAST_HISTORY", "30s\n"),
        ("FRAMECAST_TOKEN", "abc\n"),
        (
            "FRAMECAST_ALLOW_HOST",
            "cam.example.org\nother.example.org\n",
        ),
        (
            "FRAMECAST_ALLOW_ORIGIN",
            "https://a.example.org,\nhttps://b.example.org\n",
        ),
        ("FRAMECAST_CONNECTIONS_PER_ADDRESS", "9\n"),
    ];
    let program = serve(&values);
    let reply = program.get("/state?token=abc");
    let state: Value = serde_json::from_slice(&reply.body).expect("the token is right");
    assert_eq!(state["limits"]["viewers_max"], 7);
    assert_eq!(state["limits"]["history_ms"], 30_000);
    assert_eq!(state["limits"]["connections_per_address_max"], 9);
}

#[test]
fn error_in_a_variable_names_variable_and_line() {
    let cases = [
        (
            "FRAMECAST_CAMERA",
            "carrier-pigeon:",
            "FRAMECAST_CAMERA: unknown source",
        ),
        (
            "FRAMECAST_CAMERA",
            "\na=stills:\nb=carrier-pigeon:\n",
            "FRAMECAST_CAMERA, line 3, camera b: unknown source",
        ),
        (
            "FRAMECAST_CAMERA",
            "a=stills:\n\na=-",
            "FRAMECAST_CAMERA, line 3: duplicate camera name 'a'",
        ),
        (
            "FRAMECAST_CAMERA",
            "a=stills:\n- b=stills:",
            "FRAMECAST_CAMERA, line 2: ",
        ),
        (
            "FRAMECAST_PUBLISH",
            "x=redis://cam/x",
            "FRAMECAST_PUBLISH: unknown camera 'x'",
        ),
        (
            "FRAMECAST_LISTEN",
            "127.0.0.1:0\ncam",
            "invalid value 'cam' for 'FRAMECAST_LISTEN, line 2'",
        ),
        (
            "FRAMECAST_HISTORY",
            "ever",
            "invalid value 'ever' for 'FRAMECAST_HISTORY'",
        ),
        (
            "FRAMECAST_TOKEN",
            "two words",
            "FRAMECAST_TOKEN is invalid; expected 1 to 256",
        ),
    ];
    for (name, value, sentence) in cases {
        let mut command = framecast();
        command.env(name, value);
        assert_rejected(
            &format!("{name}={value:?}"),
            refused(command),
            (2, sentence),
        );
    }
}

#[test]
fn unknown_variable_is_warned_about_with_a_suggestion() {
    let words = warnings(serve(&[
        ("FRAMECAST_AUTHFILE", "users"),
        ("FRAMECAST_PORT", "8080"),
        ("FRAMECAST_QUIRKS", "many"),
        ("FRAMECAST_SERVICE_HOST", "10.0.0.1"),
        ("FRAMECAST_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("FRAMECAST_SOURCE", "stills:"),
    ]));
    assert!(
        words.contains(
            "FRAMECAST_AUTHFILE: unknown variable, ignored; did you mean FRAMECAST_AUTH_FILE?"
        ),
        "{words}"
    );
    assert!(
        words.contains("FRAMECAST_PORT: unknown variable, ignored; did you mean FRAMECAST_LISTEN?"),
        "{words}"
    );
    assert!(
        words.contains("FRAMECAST_QUIRKS: unknown variable, ignored"),
        "{words}"
    );
    assert!(
        !words.contains("SERVICE_HOST") && !words.contains("8080_TCP"),
        "{words}"
    );
}
