//! The report of figures made up, where each can be looked for.

use super::balanced::assert_balanced;
use crate::bench::outcome::{CurvePoint, Fps, Group, Quantiles};
use crate::bench::parser::Tally;
use crate::bench::process::{FamilyUsage, Usage};
use crate::bench::report::{Setting, page};
use crate::bench::{Outcome, Plan, verdict};

const SECONDS: f64 = 10.0;

/// A step whose viewers got these numbers of frames.
fn step(frames_by_viewer: Vec<u64>) -> Outcome {
    let viewers = frames_by_viewer.len();
    let curve = |quantile| CurvePoint {
        quantile,
        milliseconds: 12.5 + 20.0 * quantile,
    };
    let steady = Group {
        viewers,
        tally: Tally {
            frames: frames_by_viewer.iter().sum(),
            ..Tally::default()
        },
        fps: Fps::over(frames_by_viewer.clone(), SECONDS),
        frames_by_viewer,
        latency: Quantiles {
            count: 1000,
            p50_ms: 4.25,
            p90_ms: 6.5,
            p99_ms: 17.75,
            max_ms: 32.5,
        },
        latency_curve: [0.0, 0.5, 0.9, 0.99, 0.999].map(curve).to_vec(),
        ..Group::default()
    };
    let own = Usage {
        cpu_seconds: 1.5,
        cpu_percent: 15.0,
        rss_end_bytes: 7 * 1024 * 1024,
        ..Usage::default()
    };
    Outcome {
        plan: Plan::new(
            "http://127.0.0.1:8080/?action=stream&x=<b>",
            viewers,
            SECONDS,
        ),
        seconds: SECONDS,
        joining_seconds: 0.5,
        joining_parts: 0,
        steady,
        slow: Group::default(),
        stalled: Group::default(),
        churn: Group::default(),
        spread: Quantiles::default(),
        server: Some(FamilyUsage {
            own,
            children: Usage::default(),
        }),
        bench: Usage {
            cpu_percent: 40.0,
            ..Usage::default()
        },
        first_failure: None,
    }
}

fn setting() -> Setting {
    Setting {
        command: "framecast bench 'http://127.0.0.1:8080/?action=stream&x=<b>'".to_owned(),
        machine: "a machine of 64 cores".to_owned(),
        date: "2031-02-03 04:05:06 UTC".to_owned(),
    }
}

/// How many bars of each level all strips of a page have, from the full rate to nothing.
fn bars(page: &str) -> [usize; 5] {
    [0, 1, 2, 3, 4].map(|level| {
        let path = format!(r#"<path class="level{level}" d=""#);
        page.split(&path)
            .skip(1)
            .map(|path| {
                path.split('"')
                    .next()
                    .unwrap_or_default()
                    .matches('M')
                    .count()
            })
            .sum()
    })
}

#[test]
fn ramp_page_contains_its_figures() {
    let steps = [step(vec![300; 10]), step(vec![299; 1500])];
    let page = page(&steps, &setting()).unwrap();
    assert_balanced(&page);
    for words in [
        "With 1,500 viewers, each got the 30.0 fps of the best one",
        "<td>29.90</td>",
        "<td>4.25</td>",
        "<td>17.75</td>",
        // 1.5 s for 3,000 frames.
        "<td>500.00</td>",
        "<td>7.00</td>",
        "<td>448,500</td>",
        "4 to a bar",
        "a machine of 64 cores",
        "2031-02-03 04:05:06 UTC",
        "framecast bench 'http://127.0.0.1:8080/?action=stream&amp;x=&lt;b&gt;'",
    ] {
        assert!(page.contains(words), "{words} is missing");
    }
    assert_eq!(page.matches("<figure").count(), 4);
    assert_eq!(bars(&page), [10 + 375, 0, 0, 0, 0]);
    for outside in ["<script", "<link", "url(", "src=", "href="] {
        assert!(
            !page.contains(outside),
            "a page that needs nothing but itself has {outside}"
        );
    }
}

#[test]
fn single_step_has_no_plot_by_viewers() {
    let page = page(&[step(vec![300; 3])], &setting()).unwrap();
    assert_balanced(&page);
    assert_eq!(page.matches("<figure").count(), 1);
}

#[test]
fn starved_viewers_have_their_own_colour() {
    let starved = step(vec![300, 298, 290, 200, 100, 0]);
    assert_eq!(
        bars(&page(std::slice::from_ref(&starved), &setting()).unwrap()),
        [2, 1, 1, 1, 1]
    );
    // Where all are held back alike, only the other steps can tell.
    let held_back = step(vec![150; 2000]);
    assert_eq!(
        bars(&page(std::slice::from_ref(&held_back), &setting()).unwrap()),
        [400, 0, 0, 0, 0]
    );
    assert_eq!(
        bars(&page(&[step(vec![300]), held_back], &setting()).unwrap()),
        [1, 0, 400, 0, 0]
    );
}

#[test]
fn page_with_thousands_of_viewers_stays_small() {
    let steps: Vec<Outcome> = (1..=10)
        .map(|step_| step((0..20_000 * step_).map(|frames| frames % 300).collect()))
        .collect();
    let page = page(&steps, &setting()).unwrap();
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
}

#[test]
fn unknown_figures_are_omitted() {
    let mut bare = step(Vec::new());
    (bare.server, bare.steady) = (None, Group::default());
    let page = page(&[bare.clone(), bare], &setting()).unwrap();
    assert_balanced(&page);
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    assert_eq!(page.matches("<figure").count(), 0);
}

#[test]
fn text_marks_unknown_skipped_frames_and_omits_missing_children() {
    let mut step = step(vec![300; 3]);
    let row = |step: &Outcome| {
        let text = step.to_string();
        let row = text
            .lines()
            .find(|line| line.starts_with("steady"))
            .unwrap();
        let cells: Vec<String> = row.split_whitespace().map(str::to_owned).collect();
        (cells[9].clone(), text.contains("children"))
    };
    assert_eq!(row(&step), ("-".to_owned(), false));
    step.steady.tally.skipped = Some(0);
    step.server.as_mut().unwrap().children.rss_peak_bytes = 1;
    assert_eq!(row(&step), ("0".to_owned(), true));
}

#[test]
fn headline_names_the_largest_step_with_the_full_rate() {
    let full = [
        step(vec![300; 10]),
        step(vec![298; 20]),
        step(vec![297; 30]),
    ];
    assert_eq!(
        (verdict::sustained(&full), verdict::starved(&full)),
        (Some(30), None)
    );
    let headline = verdict::headline(&full);
    assert!(
        headline.contains("30 viewers") && headline.contains("30.0 fps"),
        "{headline}"
    );
    let mixed = [
        step(vec![200; 40]),
        step(vec![300; 50]),
        step(vec![300; 10]),
        step(vec![296; 30]),
    ];
    assert_eq!(
        (verdict::sustained(&mixed), verdict::starved(&mixed)),
        (Some(10), Some(30))
    );
    let headline = verdict::headline(&mixed);
    assert!(
        headline.contains("10 viewers") && headline.contains("30 viewers"),
        "{headline}"
    );
    let one = [step(vec![300, 300, 200])];
    assert!(verdict::headline(&one).contains("some got less"));
    assert!(verdict::headline(&[step(vec![0; 3])]).starts_with("No steady viewer got a frame"));
}

#[test]
fn faults_of_viewers_are_counted() {
    let mut faulty = step(vec![300; 50]);
    assert_eq!(verdict::faults(&faulty), None);
    // Disconnecting slow and stalled viewers is no fault.
    (
        faulty.stalled.viewers,
        faulty.stalled.closed_by_server,
        faulty.slow.failed,
    ) = (5, 5, 5);
    assert_eq!(verdict::faults(&faulty), None);
    (
        faulty.steady.tally.damaged,
        faulty.slow.tally.damaged,
        faulty.steady.mismatched,
    ) = (1, 2, 4);
    let faults = "with 50 viewers: damaged frames: 3, frames that differed between viewers: 4";
    assert_eq!(verdict::faults(&faulty).unwrap(), faults);
    assert!(page(&[faulty], &setting()).unwrap().contains(faults));
}

#[test]
fn busy_bench_is_a_warning() {
    let mut busy = step(vec![300; 10]);
    assert_eq!(verdict::warning(std::slice::from_ref(&busy)), None);
    busy.bench.cpu_percent = 97.0;
    assert!(
        verdict::warning(&[step(vec![300]), busy])
            .unwrap()
            .contains("97 % of its core with 10 viewers")
    );
}
