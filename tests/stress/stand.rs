//! What every attack has in common: a server, a camera that can be told to be silent, the control
//! group, the books.

use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};

use framecast::bench::process::Meter;
use serde_json::Value;

use crate::audience::{Audience, Seat, Watched};
use crate::camera::Baton;
use crate::support::{Program, eventually};

/// What a control group at full speed must get of its frames, in percent.
pub const SHARE_MIN: f64 = 99.5;

/// What an attack came to.
#[derive(Debug, Default)]
pub struct Report {
    pub figures: Vec<String>,
    pub faults: Vec<String>,
}

impl Report {
    pub fn figure(&mut self, figure: impl Into<String>) {
        self.figures.push(figure.into());
    }

    /// What must hold on any machine.
    pub fn must(&mut self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.faults.push(what.into());
        }
    }
}

/// How an attack is made.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// With everything there is, and with the bars that a quiet machine must meet.
    pub is_full: bool,
}

impl Form {
    /// One value for the full form, another for the short one.
    pub fn choose<T>(self, full: T, short: T) -> T {
        if self.is_full { full } else { short }
    }

    /// What must hold where the machine is quiet and the attack is whole.
    pub fn bar(self, report: &mut Report, holds: bool, what: impl Into<String>) {
        report.must(holds || !self.is_full, what);
    }
}

/// The server under attack, with its control group.
pub struct Stand {
    pub form: Form,
    pub program: Program,
    pub baton: Baton,
    pub audience: Audience,
    cpu_began: Meter,
    began: Instant,
}

impl Stand {
    /// The usual one: 200 viewers at 30 frames a second, or a few.
    pub fn raise(form: Form, options: &[&str]) -> Self {
        Self::raise_with(
            form,
            Command::new(env!("CARGO_BIN_EXE_framecast")),
            options,
            Vec::new(),
        )
    }

    /// The same with a command that becomes the server, and more seats than the usual ones.
    pub fn raise_with(form: Form, command: Command, options: &[&str], more: Vec<Seat>) -> Self {
        let seats = [Seat::steady(form.choose(200, 12)), more].concat();
        Self::raise_for(form, command, options, (30.0, 15_000), seats)
    }

    /// With a camera of this many frames a second, each of so many bytes, and these seats.
    pub fn raise_for(
        form: Form,
        mut command: Command,
        options: &[&str],
        (fps, bytes): (f64, usize),
        seats: Vec<Seat>,
    ) -> Self {
        let baton = Baton::new();
        let camera = format!("good={}", baton.steady(fps, bytes));
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--offline",
                "last",
                "--camera",
                &camera,
            ])
            .args(options);
        Self::begin(form, baton, Program::start(command), seats)
    }

    fn begin(form: Form, baton: Baton, program: Program, seats: Vec<Seat>) -> Self {
        let audience = Audience::gather(program.address, seats);
        let cpu_began = Meter::start(pid(&program)).expect("the server runs");
        Self {
            form,
            program,
            baton,
            audience,
            cpu_began,
            began: Instant::now(),
        }
    }

    /// The server's resident memory, in bytes.
    pub fn rss_bytes(&self) -> u64 {
        Meter::start(pid(&self.program))
            .expect("the server runs")
            .finish()
            .own
            .rss_end_bytes
    }

    /// Lets the source fall silent, and compares what the control group has seen with what the
    /// server counts. It must have got nearly every frame.
    pub fn settle(self, report: &mut Report) {
        self.close(report, true);
    }

    /// The same where frames must have been missed, as long as each is counted.
    pub fn settle_as_counted(self, report: &mut Report) {
        self.close(report, false);
    }

    fn close(self, report: &mut Report, gets_all: bool) {
        let usage = self.cpu_began.finish().own;
        let seconds = self.began.elapsed().as_secs_f64();
        let last = self.baton.silence();
        let has_last = |watched: &Watched| {
            watched.seen.last == last || watched.fault.is_some() || watched.ended_at.is_some()
        };
        eventually("every live viewer has the last frame", || {
            self.audience.look().iter().all(has_last)
        });
        check_streams(&self.audience.look(), report);
        if gets_all {
            check_share(self.form, &self.audience.look(), report);
        }
        check_books(&self.program, &self.audience, report);
        let state = self.program.state();
        let longest_ms = state["loop"]["longest_turn_us"]
            .as_f64()
            .unwrap_or(f64::NAN)
            / 1000.0;
        report.figure(format!(
            "server {:.1} % CPU over {seconds:.0} s, {:.1} MiB, longest turn {longest_ms:.1} ms",
            usage.cpu_percent,
            usage.rss_end_bytes as f64 / 1048576.0,
        ));
    }
}

fn pid(program: &Program) -> u32 {
    program.pid().as_raw_pid() as u32
}

/// N1, N2: every stream is whole and in order, and none was ended.
pub fn check_streams(watched: &[Watched], report: &mut Report) {
    for Watched {
        key,
        fault,
        ended_at,
        ..
    } in watched
    {
        report.must(ended_at.is_none(), format!("{key} was let go"));
        report.must(
            fault.is_none(),
            format!("{key}: {}", fault.as_deref().unwrap_or_default()),
        );
    }
}

/// Numbers without a gap are frames without a gap: what share of them the viewers got.
fn check_share(form: Form, watched: &[Watched], report: &mut Report) {
    let share = |watched: &Watched| {
        let seen = &watched.seen;
        100.0 * seen.frames as f64 / (seen.last - seen.first + 1) as f64
    };
    let steady: Vec<&Watched> = watched.iter().filter(|watched| !watched.is_slow).collect();
    let lowest = steady
        .iter()
        .map(|watched| share(watched))
        .fold(100.0, f64::min);
    let frames = steady
        .iter()
        .map(|watched| watched.seen.frames)
        .min()
        .unwrap_or_default();
    report.figure(format!(
        "{} in the control group, each with {frames} frames or more, {lowest:.2} %",
        steady.len()
    ));
    form.bar(
        report,
        lowest >= SHARE_MIN,
        format!("a viewer of the control group got only {lowest:.2} %"),
    );
}

/// N5: offered = delivered + skipped + cut over all who ever watched, and for each of the control
/// group its own counts. Nothing is in flight: everybody has the last frame.
pub fn check_books(program: &Program, audience: &Audience, report: &mut Report) {
    let sum = |counts: &Value| {
        let parts = ["delivered", "skipped_slow", "skipped_rate", "cut"];
        parts
            .iter()
            .filter_map(|part| counts[part].as_u64())
            .sum::<u64>()
    };
    let holds = || {
        let frames = &program.state()["frames"];
        frames["offered"].as_u64() == Some(sum(frames))
    };
    eventually("offered = delivered + skipped + cut", holds);
    let before = audience.look();
    let keys: Vec<&str> = before.iter().map(|watched| watched.key.as_str()).collect();
    // Not all keys fit into one line of a request.
    let mut counted = HashMap::new();
    for keys in keys.chunks(50) {
        let reply = program.get(&format!("/state?key={}", keys.join(",")));
        let state: Value = serde_json::from_slice(&reply.body).expect("/state is JSON");
        let viewers = state["result"]["stream"]["clients_stat"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        counted.extend(
            viewers
                .into_iter()
                .map(|(_, viewer)| (viewer["key"].as_str().unwrap_or("").to_owned(), viewer)),
        );
    }
    // Whoever was asked just now has read at least all that was there before.
    audience.look();
    for (before, after) in before.iter().zip(audience.look()) {
        let Some(viewer) = counted.get(&before.key) else {
            report.must(false, format!("{} is not in /state", before.key));
            continue;
        };
        let count = |name: &str| viewer[name].as_u64().unwrap_or(u64::MAX);
        let repeats = before.seen.repeats..=after.seen.repeats;
        let holds = count("delivered") == before.seen.frames
            && repeats.contains(&count("repeated"))
            && count("offered") == sum(viewer);
        report.must(
            holds,
            format!("{} saw {:?}, /state says {viewer}", before.key, before.seen),
        );
    }
}

/// Waits until the server has nobody but the control group, and asks how many it closed for a
/// reason.
pub fn await_only_the_control_group(stand: &Stand) {
    let staying = stand.audience.look().len() as u64;
    eventually("nobody else is left", || {
        stand.program.state()["connections"]["open"].as_u64() <= Some(staying + 1)
    });
}

/// The least, the median and the most of some times, in seconds.
pub fn spread(times: &mut [Duration]) -> (f64, f64, f64) {
    times.sort_unstable();
    let at = |index: usize| times.get(index).map_or(f64::NAN, Duration::as_secs_f64);
    (
        at(0),
        at(times.len() / 2),
        at(times.len().saturating_sub(1)),
    )
}
