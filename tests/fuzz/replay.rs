//! What fuzzing has kept, through the oracle of its target: a fault that was found once stays
//! mended, and whoever changes a parser learns at once what that does to inputs that took long to
//! find. README.md tells of the fuzzing.
//!
//! The traces of the target `hub` are played by the test `simulation`, which knows what must hold.

mod oracles;
mod rendered;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

/// Fewer would mean that the folder is not what it should be.
const INPUTS_MIN: usize = 20;

fn replay(target: &str, oracle: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let input = fs::read(&path).unwrap();
        assert!(
            catch_unwind(|| oracle(&input)).is_ok(),
            "{}",
            path.display()
        );
        count += 1;
    }
    assert!(count >= INPUTS_MIN, "{count} inputs");
}

#[test]
fn requests_hold() {
    replay("request", oracles::request::run);
}

#[test]
fn parts_hold() {
    replay("parts", oracles::parts::run);
}

#[test]
fn jpegs_hold() {
    replay("jpeg", oracles::jpeg::run);
}

#[test]
fn sources_hold() {
    replay("source", oracles::source::run);
}

#[test]
fn everything_served_holds() {
    replay("site", oracles::site::run);
}

#[test]
fn traces_are_kept() {
    replay("hub", |trace| assert!(!trace.is_empty()));
}
