//! Pages that are made as they are read: the table of frames, and the loop at work.

use crate::driver::Driver;
use crate::support::{Program, eventually};

fn serve(source: &str) -> Program {
    Program::serve(&["--camera", &format!("camera={source}")])
}

fn number(browser: &Driver, script: &str) -> f64 {
    browser
        .run(&format!("return Number({script})"))
        .as_f64()
        .unwrap_or_default()
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn a_table_without_end_is_read_from_its_first_row_on() {
    let server = serve("pattern:320x240?fps=10");
    let browser = Driver::start_impatient();
    browser.go(&server.url("/table"));
    let rows = "document.querySelectorAll('tbody tr').length";
    let row = "document.querySelector('tbody tr')?.getBoundingClientRect().height ?? 0";
    let first = eventually("the first row is seen", || number(&browser, row) > 0.0);
    let seen = number(&browser, rows);
    let more = eventually("more rows come by themselves", || {
        number(&browser, rows) >= seen + 20.0
    });
    assert_eq!(
        browser.run("return document.readyState"),
        "loading",
        "the page has no end"
    );
    let layout =
        browser.run("return getComputedStyle(document.querySelector('table')).tableLayout");
    assert_eq!(layout, "fixed", "the style sheet is there before the end");
    println!("the first row was seen after {first:?}, 20 more after {more:?}");
    assert_eq!(server.state()["connections"]["tables"], 1);
    browser.go("about:blank");
    eventually("the table has no readers", || {
        server.state()["connections"]["tables"] == 0
    });
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn a_viewer_that_reads_slowly_is_seen_to_fill_its_lane_while_the_others_flow() {
    let server = serve("pattern:1280x720?fps=30");
    let browser = Driver::start();
    browser.go(&server.url("/loop"));
    browser
        .run("document.addEventListener('securitypolicyviolation', () => window.violated = true)");
    eventually("the page draws turns", || {
        browser.text("#turns [data-figure=longest]").ends_with('s')
    });
    for profile in ["fast", "limited", "slow"] {
        browser.run(&format!(
            "document.querySelector('[data-profile={profile}]').click()"
        ));
    }
    // They are numbered in the order in which they were opened.
    let lane = |place: usize, figure: &str| {
        let lanes = "[...document.querySelectorAll('.lane.ours')].sort((a, b) => \
                     a.querySelector('b').textContent.slice(1) - b.querySelector('b').textContent.slice(1))";
        let script =
            format!("({lanes})[{place}]?.querySelector('[data-figure={figure}]').textContent ?? 0");
        number(&browser, &script)
    };
    let find = |figure: &str| (0..3).map(|place| lane(place, figure)).collect::<Vec<_>>();
    let filled = eventually("one lane is full, and only that", || {
        let blocked = find("blocks")
            .iter()
            .filter(|&&blocks| blocks > 0.0)
            .count();
        blocked >= 1 && find("slow").iter().any(|&skipped| skipped > 10.0)
    });
    eventually("one leaves out frames because it asked to", || {
        find("rate").iter().any(|&skipped| skipped > 10.0)
    });
    let red = "(() => [...document.querySelectorAll('.lane.ours canvas')].filter((canvas) => {
            const { data } = canvas.getContext('2d').getImageData(canvas.width - 4, canvas.height - 4, 1, 1);
            return data[3] > 0 && data[0] > data[2];
        }).length)()";
    eventually("the strip of the full lane is red", || {
        number(&browser, red) == 1.0
    });
    let before = find("delivered").into_iter().fold(0.0, f64::max);
    let flows = || find("delivered").into_iter().fold(0.0, f64::max) > before + 30.0;
    let flowed = eventually("the others flow", flows);
    println!("the lane was full after {filled:?}; 30 more frames of another took {flowed:?}");
    assert_eq!(browser.run("return window.violated ?? false"), false);
    let viewers = browser.run("return document.querySelectorAll('.cards figure').length");
    assert_eq!(viewers, 3);
    browser.run(
        "document.querySelectorAll('.cards figure button').forEach((button) => button.click())",
    );
    eventually("all three have left", || server.state()["viewers"] == 0);
}
