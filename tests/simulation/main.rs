//! The deterministic simulation: the hub, with peers, a network and a clock that a seed drives.
//!
//! `cargo test --test simulation` runs some seeds; behind `--`:
//!
//! - `--seed N` runs one, `--verbose` prints what happens in it;
//! - `--seeds A..B` runs many, `--steps N` makes each longer or shorter;
//! - `--trace FILE` plays a trace that a fuzzer has written (`tests/fuzz`), with `--verbose` too;
//! - `--faults` applies each patch of `faults/` to a copy of the code, `--fault NAME` one of them,
//!   and fails if no seed notices the fault.
//!
//! Reading order: `world` (one step), `link` (the transport and its edges), `transcript` (the bytes
//! that must leave), `checks` (the checks after each step).

mod answers;
mod body;
mod checks;
mod faults;
mod link;
mod model;
mod options;
mod profile;
mod random;
mod run;
mod script;
mod source;
mod transcript;
mod world;

// The rooms that are simulated. `site` is private in the library, so they are compiled here.
extern crate self as framecast;
#[path = "../../src/hub/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the program uses more of it")]
mod hub;
#[path = "../../src/site/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the program uses more of it")]
mod site;
#[path = "../../src/stream/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the program uses more of it")]
mod stream;
#[path = "../../src/text/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the program uses more of it")]
mod text;
#[path = "../../src/wire/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the program uses more of it")]
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use options::{Options, Task};
use run::Outcome;

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(|options| perform(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn perform(options: &Options) -> Result<(), String> {
    if !options.is_verbose {
        // A panic is reported like any other failure, with its seed.
        std::panic::set_hook(Box::new(|_| {}));
    }
    match &options.task {
        Task::Nothing => Ok(()),
        Task::One(seed) => run_one(*seed, options),
        Task::Trace(path) => play(path, options.is_verbose),
        Task::Many(seeds) => {
            run_many(seeds.clone(), options)?;
            play_all()?;
            faults::check_all()
        }
        Task::Faults(only) => faults::run(only.as_deref()),
    }
}

/// Runs one seed. Two more runs must move the same bytes.
fn run_one(seed: u64, options: &Options) -> Result<(), String> {
    let outcome = run_seed(seed, options)?;
    println!(
        "seed {seed}: {} steps hold, digest {:016x}, {:?}",
        options.steps, outcome.digest, outcome.counts
    );
    replays(seed, options)
}

fn run_seed(seed: u64, options: &Options) -> Result<Outcome, String> {
    let Options {
        steps, is_verbose, ..
    } = options;
    let again =
        format!("repeat: cargo test --test simulation -- --seed {seed} --steps {steps} --verbose");
    run::run(seed, *steps, *is_verbose).map_err(|fault| format!("seed {seed}, {fault}\n{again}"))
}

fn replays(seed: u64, options: &Options) -> Result<(), String> {
    let options = Options {
        is_verbose: false,
        ..options.clone()
    };
    if run_seed(seed, &options)?.digest == run_seed(seed, &options)?.digest {
        Ok(())
    } else {
        Err(format!("seed {seed}: two runs differ"))
    }
}

/// Runs many seeds, on every core. Returns the failure of the lowest seed.
fn run_many(seeds: Range<u64>, options: &Options) -> Result<(), String> {
    let began = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let first_failure = Mutex::new(None::<(u64, String)>);
    // Printed to show that the seeds did something.
    let counts = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                // Seeds are claimed in order, so all seeds below a failing one are run.
                while first_failure.lock().unwrap().is_none()
                    && let seed = next.fetch_add(1, Ordering::Relaxed)
                    && seed < seeds.end
                {
                    match run_seed(seed, options) {
                        Ok(outcome) => add(&mut counts.lock().unwrap(), outcome),
                        Err(fault) => {
                            let first = &mut *first_failure.lock().unwrap();
                            *first = first.take().into_iter().chain([(seed, fault)]).min();
                        }
                    }
                }
            });
        }
    });
    if let Some((_, fault)) = first_failure.into_inner().unwrap() {
        return Err(fault);
    }
    let count = seeds.end - seeds.start;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{count} seeds of {} steps hold: {seconds:.1} s, {:.0} seeds/s",
        options.steps,
        count as f64 / seconds
    );
    println!("{:?}", counts.into_inner().unwrap());
    // The first seeds must repeat.
    (seeds.start..seeds.end.min(seeds.start + 3)).try_for_each(|seed| replays(seed, options))
}

fn add(counts: &mut BTreeMap<&'static str, u64>, outcome: Outcome) {
    outcome
        .counts
        .into_iter()
        .for_each(|(what, count)| *counts.entry(what).or_default() += count);
}

/// Plays one trace.
fn play(path: &Path, is_verbose: bool) -> Result<(), String> {
    let trace = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    run::play(&trace, is_verbose)
        .map(drop)
        .map_err(|fault| format!("{}: {fault}", path.display()))
}

/// Plays the corpus of the fuzzer. The published crate does not contain it.
fn play_all() -> Result<(), String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/hub");
    let traces: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    traces
        .iter()
        .try_for_each(|trace| play(&trace.path(), false))?;
    println!("{} traces hold", traces.len());
    Ok(())
}
