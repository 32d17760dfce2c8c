//! Attacks on the real server, by peers, cameras and the machine, beside a control group of viewers
//! that must not be affected.
//!
//! `cargo test --release --test stress --`, followed by:
//!
//! - `--short [NAME...]`: small attacks of some seconds each, with the limits that hold on any
//!   machine;
//! - `--full [NAME...]`: attacks at full size on a quiet machine, with all limits;
//! - `--soak [FRAMES]`: as many frames as a day has, in 22 minutes, and the growth of memory.
//!
//! Each attack prints one line of figures. Each one checks the control group from outside: a stream
//! is its preamble and whole parts, each equal to a frame that the camera wrote; sequence numbers
//! increase; when the camera stops writing, every viewer has its last frame; published = delivered
//! + skipped + cut, by the viewers' own counters and by the server's.
//!
//! Reading order: `fixture` (the server and its counters), `stream_checker` (what a stream must
//! be), `control_group`, `attackers`, `attacks`.

mod attackers;
mod attacks;
mod camera;
mod control_group;
mod fixture;
mod garbage;
mod hostile;
mod options;
mod picture;
#[path = "../../src/bench/process.rs"]
#[allow(dead_code, unused_imports, reason = "the bench uses more of it")]
mod process;
#[path = "../../src/wire/tests/requests.rs"]
mod requests;
mod stream_checker;
#[path = "../support/mod.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use attacks::{ATTACKS, Attack};
use fixture::{Form, Report};
use options::Task;

/// Maximum number of faults printed per attack.
const FAULTS_SHOWN_MAX: usize = 10;

fn main() -> ExitCode {
    match Task::parse(std::env::args().skip(1)) {
        Ok(Task::Nothing) => ExitCode::SUCCESS,
        Ok(Task::Camera(words)) => match camera::run(&words) {
            Ok(()) => ExitCode::SUCCESS,
            // The server closed the pipe: this is how it ends a driver.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => fail(&error.to_string()),
        },
        Ok(Task::Attacks { is_full, names }) => match find_attacks(&names) {
            Ok(attacks) => stress(&attacks, Form { is_full }),
            Err(problem) => fail(&problem),
        },
        Ok(Task::Soak { frames }) => {
            let is_ok = run_attack("soak", |report| {
                attacks::soak(Form { is_full: true }, frames, report)
            });
            if is_ok {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(problem) => fail(&problem),
    }
}

fn fail(problem: &str) -> ExitCode {
    eprintln!("{problem}");
    ExitCode::FAILURE
}

fn find_attacks(names: &[String]) -> Result<Vec<&'static Attack>, String> {
    let find = |name: &String| {
        let list = || ATTACKS.map(|attack| attack.name).join(", ");
        ATTACKS
            .iter()
            .find(|attack| attack.name == name)
            .ok_or_else(|| format!("{name}: unknown attack; expected one of {}", list()))
    };
    if names.is_empty() {
        Ok(ATTACKS.iter().collect())
    } else {
        names.iter().map(find).collect()
    }
}

/// Runs the attacks in turn. A failed one does not stop the others.
fn stress(attacks: &[&Attack], form: Form) -> ExitCode {
    raise_file_limit();
    let passed = attacks
        .iter()
        .filter(|attack| run_attack(attack.name, |report| (attack.run)(form, report)))
        .count();
    for attack in attacks.iter().filter(|_| passed < attacks.len()) {
        println!("{:>16}: {}", attack.name, attack.what);
    }
    println!("{passed} of {} attacks passed", attacks.len());
    if passed == attacks.len() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs one attack, prints its figures, and returns whether all checks passed.
fn run_attack(name: &str, attack: impl FnOnce(&mut Report)) -> bool {
    let began = Instant::now();
    let mut report = Report::default();
    let made = catch_unwind(AssertUnwindSafe(|| attack(&mut report)));
    report.require(made.is_ok(), "the attack panicked");
    let verdict = if report.faults.is_empty() {
        "ok"
    } else {
        "FAILED"
    };
    println!(
        "{name}: {verdict} ({:.0} s): {}",
        began.elapsed().as_secs_f64(),
        report.figures.join("; ")
    );
    for fault in report.faults.iter().take(FAULTS_SHOWN_MAX) {
        println!("    {fault}");
    }
    if report.faults.len() > FAULTS_SHOWN_MAX {
        println!("    and {} more", report.faults.len() - FAULTS_SHOWN_MAX);
    }
    report.faults.is_empty()
}

/// Raises the limit of descriptors: this process has one per connection.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("RLIMIT_NOFILE is raised to its maximum");
}
