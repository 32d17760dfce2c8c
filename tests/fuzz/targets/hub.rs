//! The whole hub: a world of peers, cameras and faults, as `tests/simulation` has it, whose every
//! choice is a byte of the input.
#![no_main]

#[path = "../../simulation/body.rs"]
mod body;
#[path = "../../simulation/checks.rs"]
mod checks;
#[path = "../../simulation/link.rs"]
mod link;
#[path = "../../simulation/model.rs"]
mod model;
#[path = "../../simulation/profile.rs"]
mod profile;
#[path = "../../simulation/random.rs"]
mod random;
#[allow(dead_code)]
#[path = "../../simulation/run.rs"]
mod run;
#[path = "../../simulation/script.rs"]
mod script;
#[path = "../../simulation/answers.rs"]
mod answers;
#[path = "../../simulation/source.rs"]
mod source;
#[path = "../../simulation/transcript.rs"]
mod transcript;
#[path = "../../simulation/world.rs"]
mod world;

libfuzzer_sys::fuzz_target!(|trace: &[u8]| {
    if let Err(fault) = run::play(trace, false) {
        panic!("{fault}");
    }
});
