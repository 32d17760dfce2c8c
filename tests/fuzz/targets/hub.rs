//! The whole heart: a world of peers, cameras and accidents, as `tests/simulation` has it, whose every choice is a byte
//! of the input.
#![no_main]

#[path = "../../simulation/backlog.rs"]
mod backlog;
#[path = "../../simulation/body.rs"]
mod body;
#[path = "../../simulation/checks.rs"]
mod checks;
#[path = "../../simulation/ledger.rs"]
mod ledger;
#[path = "../../simulation/link.rs"]
mod link;
#[path = "../../simulation/manner.rs"]
mod manner;
#[path = "../../simulation/past.rs"]
mod past;
#[path = "../../simulation/random.rs"]
mod random;
#[allow(dead_code)]
#[path = "../../simulation/run.rs"]
mod run;
#[path = "../../simulation/script.rs"]
mod script;
#[path = "../../simulation/site.rs"]
mod site;
#[path = "../../simulation/source.rs"]
mod source;
#[path = "../../simulation/transcript.rs"]
mod transcript;
#[path = "../../simulation/world.rs"]
mod world;

libfuzzer_sys::fuzz_target!(|tape: &[u8]| {
    if let Err(fault) = run::play(tape, false) {
        panic!("{fault}");
    }
});
