//! Attacks on the real server: everything that a network, a camera or a machine may do to it,
//! beside viewers who must not notice.
//!
//! `cargo test --release --test stress --`, and then:
//!
//! - `--short [NAME...]` makes the attacks in a small form: what holds on any machine is checked,
//!   in seconds each;
//! - `--full [NAME...]` makes them whole, on a quiet machine, and checks the bars, too;
//! - `--soak [FRAMES]` shows a day's frames in 22 minutes, and tells what they leave behind.
//!
//! Each prints one line of figures. What is checked from outside, every time: a stream is its
//! preamble and whole parts, each equal to a frame that the camera wrote; numbers rise, and a
//! repeat is a repeat; when the camera falls silent, every viewer has its last frame; what was
//! published is what was delivered, skipped or cut, by the viewers' own count and by the server's.
//!
//! Reading order: `stand` (the server, its control group, the books), `follower` (what a stream
//! must be), `audience` (the control group), `crowd` (the attackers), `attacks`.

mod attacks;
mod audience;
mod camera;
mod crowd;
mod follower;
mod garbage;
mod hostile;
mod options;
mod picture;
#[path = "../../src/wire/tests/requests.rs"]
mod requests;
mod stand;
#[path = "../support/mod.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use attacks::{ATTACKS, Attack};
use options::Task;
use stand::{Form, Report};

/// Faults that are shown of one attack.
const FAULTS_SHOWN_MAX: usize = 10;

fn main() -> ExitCode {
    match Task::parse(std::env::args().skip(1)) {
        Ok(Task::Nothing) => ExitCode::SUCCESS,
        Ok(Task::Camera(words)) => match camera::run(&words) {
            Ok(()) => ExitCode::SUCCESS,
            // Nobody reads it any more: that is how a camera is told to end.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => complain(&error.to_string()),
        },
        Ok(Task::Attacks { is_full, names }) => match choose(&names) {
            Ok(attacks) => stress(&attacks, Form { is_full }),
            Err(problem) => complain(&problem),
        },
        Ok(Task::Soak { frames }) => {
            let is_whole = make("soak", |report| {
                attacks::soak(Form { is_full: true }, frames, report)
            });
            if is_whole {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(problem) => complain(&problem),
    }
}

fn complain(problem: &str) -> ExitCode {
    eprintln!("{problem}");
    ExitCode::FAILURE
}

fn choose(names: &[String]) -> Result<Vec<&'static Attack>, String> {
    let find = |name: &String| {
        let list = || ATTACKS.map(|attack| attack.name).join(", ");
        ATTACKS
            .iter()
            .find(|attack| attack.name == name)
            .ok_or_else(|| format!("there is no {name}; there are {}", list()))
    };
    if names.is_empty() {
        Ok(ATTACKS.iter().collect())
    } else {
        names.iter().map(find).collect()
    }
}

/// Makes one attack after the other, whatever becomes of each.
fn stress(attacks: &[&Attack], form: Form) -> ExitCode {
    raise_file_limit();
    let withstood = attacks
        .iter()
        .filter(|attack| make(attack.name, |report| (attack.make)(form, report)))
        .count();
    for attack in attacks.iter().filter(|_| withstood < attacks.len()) {
        println!("{:>16}: {}", attack.name, attack.what);
    }
    println!("{withstood} of {} attacks withstood", attacks.len());
    if withstood == attacks.len() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Makes one attack, and says in one line what it came to. Whether all held.
fn make(name: &str, attack: impl FnOnce(&mut Report)) -> bool {
    let began = Instant::now();
    let mut report = Report::default();
    let made = catch_unwind(AssertUnwindSafe(|| attack(&mut report)));
    report.must(made.is_ok(), "it could not be made to its end");
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

/// Every connection is a descriptor here, too.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("the limit can be raised as far as it goes");
}
