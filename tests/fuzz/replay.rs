//! Runs the corpus of each fuzz target through its oracle, so that a fixed fault stays fixed. See
//! README.md.
//!
//! The test `simulation` runs the traces of the target `hub`.

mod oracles;
mod rendered;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

/// The minimum number of inputs; fewer mean that the folder is wrong.
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
fn request_corpus_passes_its_oracle() {
    replay("request", oracles::request::run);
}

#[test]
fn parts_corpus_passes_its_oracle() {
    replay("parts", oracles::parts::run);
}

#[test]
fn jpeg_corpus_passes_its_oracle() {
    replay("jpeg", oracles::jpeg::run);
}

#[test]
fn source_corpus_passes_its_oracle() {
    replay("source", oracles::source::run);
}

#[test]
fn site_corpus_passes_its_oracle() {
    replay("site", oracles::site::run);
}

#[test]
fn hub_corpus_has_no_empty_trace() {
    replay("hub", |trace| assert!(!trace.is_empty()));
}
