//! Every row of the table of refused requests: whole, byte by byte, and cut in two at every byte.

use std::time::{Duration, Instant};

use crate::crowd::{Crowd, Manner, Reads};
use crate::requests;
use crate::stand::{Form, Report, Stand, await_only_the_control_group};
use crate::support::TIMEOUT;

const PER_SECOND: f64 = 1000.0;
/// Longer requests are not sent byte by byte, and are cut at some offsets only.
const PIECEMEAL_BYTES_MAX: usize = 200;
const LONG_CUTS: usize = 50;
/// Between two pieces: long enough for the first to be read alone.
const PAUSE: Duration = Duration::from_millis(3);

struct Case {
    row: usize,
    says: Vec<Vec<u8>>,
}

pub fn attack(form: Form, report: &mut Report) {
    let stand = Stand::raise(form, &[]);
    let refused: Vec<_> = requests::all_refused()
        .into_iter()
        .map(|row| (row.code, row.input))
        .collect();
    let refused_count = refused.len();
    let rows = [refused, requests::answered()].concat();
    let mut cases = cases(&rows);
    let whole = cases.len();
    let count = form.choose(100_000, 4_000);
    // The short form takes every so manieth; the full one goes around until the number is full.
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
    let mut crowd = Crowd::new(stand.program.address);
    let began = Instant::now();
    let manner = |says: &[Vec<u8>]| Manner {
        says: says.to_vec(),
        pause: PAUSE,
        reads: Reads::Everything,
        resets_after: None,
    };
    let manners = cases
        .iter()
        .enumerate()
        .map(|(tag, case)| (tag, manner(&case.says)));
    crowd.feed(PER_SECOND, manners, TIMEOUT);
    let rate = count as f64 / began.elapsed().as_secs_f64();
    report.must(
        crowd.failed == 0,
        format!("{} could not connect", crowd.failed),
    );
    report.must(
        crowd.len() == 0,
        format!("{} were never answered", crowd.len()),
    );
    for ended in &crowd.ended {
        let case = &cases[ended.tag];
        let (code, input) = &rows[case.row];
        let is_right = ended.status() == Some(*code) && ended.in_order;
        let shown = input[..input.len().min(120)].escape_ascii();
        let pieces = case.says.len();
        report.must(
            is_right,
            format!(
                "{code} was due, not {:?}, for {shown} in {pieces} pieces",
                ended.status()
            ),
        );
    }
    await_only_the_control_group(&stand);
    let counted = stand.program.state()["connections"]["invalid_requests"]
        .as_u64()
        .unwrap_or(0);
    let due = cases.iter().filter(|case| case.row < refused_count).count() as u64;
    report.must(
        counted == due,
        format!("{due} were refused, {counted} are counted"),
    );
    report.figure(format!(
        "{count} requests of {} rows, {rate:.0} a second, whole, byte by byte and cut at every offset: each its status",
        rows.len(),
    ));
    form.bar(
        report,
        rate >= 0.95 * PER_SECOND,
        format!("there were only {rate:.0} a second"),
    );
    stand.settle(report);
}

/// Every row whole, every short one byte by byte, and each cut in two.
fn cases(rows: &[(u16, Vec<u8>)]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (row, (_, input)) in rows.iter().enumerate() {
        cases.push(Case {
            row,
            says: vec![input.clone()],
        });
        let is_short = input.len() <= PIECEMEAL_BYTES_MAX;
        if is_short {
            cases.push(Case {
                row,
                says: input.iter().map(|&byte| vec![byte]).collect(),
            });
        }
        let step = if is_short { 1 } else { input.len() / LONG_CUTS };
        for cut in (1..input.len()).step_by(step) {
            cases.push(Case {
                row,
                says: vec![input[..cut].to_vec(), input[cut..].to_vec()],
            });
        }
    }
    cases
}

impl Case {
    fn copy(&self) -> Self {
        Self {
            row: self.row,
            says: self.says.clone(),
        }
    }
}
