//! Every row of the table of refused requests: whole, byte by byte, and in two pieces cut at every
//! byte.

use std::time::{Duration, Instant};

use crate::attackers::{Attackers, Profile, Reads};
use crate::fixture::{Fixture, Form, Report, wait_for_control_group_only};
use crate::requests;
use crate::support::TIMEOUT;

const PER_SECOND: f64 = 1000.0;
/// Longer requests are not sent byte by byte, and are cut at a few offsets only.
const PIECEMEAL_BYTES_MAX: usize = 200;
const LONG_CUTS: usize = 50;
/// Pause between two pieces, long enough for the server to read the first one alone.
const PAUSE: Duration = Duration::from_millis(3);

struct Case {
    row: usize,
    sends: Vec<Vec<u8>>,
}

pub fn attack(form: Form, report: &mut Report) {
    let fixture = Fixture::start(form, &[]);
    let refused: Vec<_> = requests::all_refused()
        .into_iter()
        .map(|row| (row.code, row.input))
        .collect();
    let refused_count = refused.len();
    let rows = [refused, requests::answered()].concat();
    let mut cases = cases(&rows);
    let whole = cases.len();
    let count = form.choose(100_000, 4_000);
    // The short form takes a sample of the cases; the full form repeats them.
    cases = (0..count)
        .map(|index| {
            &cases[if count < whole {
                index * whole / count
            } else {
                index % whole
            }]
        })
        .map(Case::copy)
        .collect();
    let mut attackers = Attackers::new(fixture.program.address);
    let began = Instant::now();
    let profile = |sends: &[Vec<u8>]| Profile {
        sends: sends.to_vec(),
        pause: PAUSE,
        reads: Reads::Everything,
        resets_after: None,
    };
    let profiles = cases
        .iter()
        .enumerate()
        .map(|(tag, case)| (tag, profile(&case.sends)));
    attackers.open_at_rate(PER_SECOND, profiles, TIMEOUT);
    let rate = count as f64 / began.elapsed().as_secs_f64();
    report.require(
        attackers.failed == 0,
        format!("{} could not connect", attackers.failed),
    );
    report.require(
        attackers.len() == 0,
        format!("{} were never answered", attackers.len()),
    );
    for ended in &attackers.ended {
        let case = &cases[ended.tag];
        let (code, input) = &rows[case.row];
        let is_right = ended.status() == Some(*code) && ended.is_clean;
        let shown = input[..input.len().min(120)].escape_ascii();
        let pieces = case.sends.len();
        report.require(
            is_right,
            format!(
                "{code} was due, not {:?}, for {shown} in {pieces} pieces",
                ended.status()
            ),
        );
    }
    wait_for_control_group_only(&fixture);
    let counted = fixture.program.state()["connections"]["invalid_requests"]
        .as_u64()
        .unwrap_or(0);
    let due = cases.iter().filter(|case| case.row < refused_count).count() as u64;
    report.require(
        counted == due,
        format!("{due} were refused, {counted} are counted"),
    );
    report.figure(format!(
        "{count} requests of {} rows, {rate:.0} a second, whole, byte by byte and cut at every offset: each its status",
        rows.len(),
    ));
    form.require_if_full(
        report,
        rate >= 0.95 * PER_SECOND,
        format!("there were only {rate:.0} a second"),
    );
    fixture.finish(report);
}

/// Makes the cases: every row whole, every short row byte by byte, and every row in two pieces.
fn cases(rows: &[(u16, Vec<u8>)]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (row, (_, input)) in rows.iter().enumerate() {
        cases.push(Case {
            row,
            sends: vec![input.clone()],
        });
        let is_short = input.len() <= PIECEMEAL_BYTES_MAX;
        if is_short {
            cases.push(Case {
                row,
                sends: input.iter().map(|&byte| vec![byte]).collect(),
            });
        }
        let step = if is_short { 1 } else { input.len() / LONG_CUTS };
        for cut in (1..input.len()).step_by(step) {
            cases.push(Case {
                row,
                sends: vec![input[..cut].to_vec(), input[cut..].to_vec()],
            });
        }
    }
    cases
}

impl Case {
    fn copy(&self) -> Self {
        Self {
            row: self.row,
            sends: self.sends.clone(),
        }
    }
}
