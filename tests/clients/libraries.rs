//! Programs written in Python, reproduced with their libraries.

use crate::matrix::{ADDRESSES, Show, assert_moving, picture_of, picture_of_jpeg, run, watch};
use crate::players::picture_of_part;

/// Python with the libraries, installed by `tests/all.sh`.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients/bin/python");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/libraries.py");

fn python(what: &str, urls: &[&str]) -> Vec<u8> {
    run(PYTHON, &[&[SCRIPT, what], urls].concat())
}

#[test]
#[ignore = "needs opencv-python-headless"]
fn opencv() {
    let show = Show::open();
    let urls = ADDRESSES.map(|address| show.server.url(address));
    let lines = String::from_utf8(python("opencv", &urls.each_ref().map(String::as_str))).unwrap();
    for (address, url) in ADDRESSES.iter().zip(&urls) {
        let frames = lines
            .lines()
            .filter_map(|line| line.strip_prefix(url)?.strip_prefix(' '));
        let seen = frames.map(|frame| {
            let numbers: Vec<u8> = frame
                .split(' ')
                .map(|number| number.parse().unwrap())
                .collect();
            assert_eq!(numbers[..2], [160, 160], "the size of a frame");
            picture_of([numbers[2], numbers[3], numbers[4]])
        });
        assert_moving("OpenCV", address, &seen.collect::<Vec<_>>());
    }
}

/// Home Assistant's proxy forwards the stream unchanged to browsers, so the proxy also works with
/// `framing=advance`.
#[test]
#[ignore = "needs aiohttp and requests"]
fn home_assistant() {
    let show = Show::open();
    show.at_every_address("Home Assistant", |url| {
        watch(
            PYTHON,
            &[SCRIPT, "home_assistant_stream", url],
            picture_of_part,
        )
    });
    let advance = python(
        "home_assistant_stream",
        &[&show.server.url("/stream?framing=advance"), "1"],
    );
    assert!(advance.starts_with(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8"));
    for address in ["/stream", "/?action=stream"] {
        picture_of_jpeg(&python(
            "home_assistant_still",
            &[&show.server.url(address)],
        ));
    }
}

#[test]
#[ignore = "needs requests"]
fn octoprint() {
    let show = Show::open();
    for address in ["/?action=snapshot", "/snapshot", "/?action=snapshot_0"] {
        picture_of_jpeg(&python("octoprint_snapshot", &[&show.server.url(address)]));
    }
}
