//! The page as people see it: a real Chromium on a real server, with pictures whose time of
//! publication is known.
//!
//! `cargo test --test clients browser -- --ignored --nocapture` prints the figures.

mod elsewhere;
mod made;
mod origins;
mod page;

use std::thread;

use rustix::process::Signal;
use serde_json::json;

use crate::driver::Driver;
use crate::pictures::{Pictures, unix_ms};
use crate::support::restarts::Restarts;
use crate::support::{Program, Viewer, eventually};

/// Slow enough that a picture which is a whole frame late is told from one that is merely behind.
const FPS: u32 = 2;
const FRAME_MS: f64 = 1000.0 / FPS as f64;

/// A picture that began to be seen: when, in milliseconds since the Unix epoch, and its place among
/// [`Pictures`].
#[derive(Clone, Copy, Debug)]
struct Sight {
    at: f64,
    index: usize,
}

impl Sight {
    /// How long after its publication this was, in milliseconds. A picture is published at every
    /// tick of the clock whose number, modulo the number of pictures, is its own.
    fn delay(&self) -> f64 {
        let count = Pictures::COLOURS.len() as f64;
        let ticks = self.at / FRAME_MS - self.index as f64;
        ticks.rem_euclid(count) * FRAME_MS
    }
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn the_picture_changes() {
    let pictures = Pictures::write();
    let server = serve("127.0.0.1:0", &pictures.source(FPS));
    let browser = Driver::start();
    open(&browser, &server);

    let seen = watch(&browser, 6);
    println!(
        "pictures seen in 6 s: {:?}",
        seen.iter().map(|sight| sight.index).collect::<Vec<_>>()
    );
    assert_in_order(&seen);
    assert!(
        seen.len() > Pictures::COLOURS.len(),
        "not every picture was seen"
    );
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn a_picture_is_on_screen_within_100_ms_of_its_publication() {
    let pictures = Pictures::write();
    let server = serve("127.0.0.1:0", &pictures.source(FPS));
    let browser = Driver::start();
    open(&browser, &server);

    let viewer = server.watch("/video_feed");
    let wire = thread::spawn(move || read(viewer, &pictures, 12));
    let mut screen = watch(&browser, 6);
    let mut wire = wire.join().expect("the raw viewer reads to its end");
    // The first of each was there before anyone looked.
    screen.remove(0);
    wire.remove(0);

    println!("picture  after its tick: on the wire  on screen");
    for sight in &screen {
        let arrived = wire.iter().find(|arrival| {
            arrival.index == sight.index && (arrival.at - sight.at).abs() < FRAME_MS
        });
        let arrived = arrived.map_or("-".to_owned(), |arrival| {
            format!("{:.1} ms", arrival.delay())
        });
        println!("{:7} {arrived:>28} {:>8.1} ms", sight.index, sight.delay());
    }
    println!(
        "median: on the wire {:.1} ms, on screen {:.1} ms",
        median_delay(&wire),
        median_delay(&screen)
    );
    assert_in_order(&screen);
    assert!(
        median_delay(&screen) <= 100.0,
        "the median picture was late"
    );
    assert!(
        screen.iter().all(|sight| sight.delay() < FRAME_MS),
        "a picture was a whole frame late"
    );
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn the_figures_refresh_without_a_reload() {
    let server = serve("127.0.0.1:0", "pattern:320x240?fps=30");
    let browser = Driver::start();
    open(&browser, &server);
    browser.run("window.marker = 'the same page'");
    let shows = |viewers: &str| browser.text("article [data-figure=viewers]") == viewers;

    eventually("the page shows its own stream", || shows("1"));
    let viewer = server.watch("/video_feed");
    let more = eventually("the page shows a second viewer", || shows("2"));
    drop(viewer);
    let fewer = eventually("the page shows that it left", || shows("1"));
    eventually("the page shows the size", || {
        browser.text("article [data-figure=size]") == "320×240"
    });
    eventually("the page shows what it skipped", || {
        let skipped = browser.text("article [data-figure=skipped]");
        skipped.parse::<u64>().is_ok()
    });

    println!("a viewer more was shown after {more:?}, one fewer after {fewer:?}");
    println!(
        "figures: {:?}",
        browser
            .text("article dl")
            .split_whitespace()
            .collect::<Vec<_>>()
    );
    assert_eq!(browser.run("return window.marker"), "the same page");
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn two_windows_and_a_hundred_viewers_see_pictures_at_once() {
    let pictures = Pictures::write();
    let server = serve("127.0.0.1:0", &pictures.source(FPS));
    let browser = Driver::start();
    let windows = [browser.window(), browser.open_window()];
    for window in &windows {
        browser.switch_to(window);
        open(&browser, &server);
    }
    let mut viewers: Vec<_> = (0..100).map(|_| server.watch("/video_feed")).collect();

    let counted = eventually("/state counts them all", || watching(&server) == 102);
    for viewer in &mut viewers {
        let first = pictures.index_of(&viewer.part().jpeg);
        assert_ne!(
            pictures.index_of(&viewer.part().jpeg),
            first,
            "a viewer is sent the same picture again"
        );
    }
    for window in &windows {
        browser.switch_to(window);
        let seen = watch(&browser, 3);
        println!(
            "a window saw {:?}",
            seen.iter().map(|sight| sight.index).collect::<Vec<_>>()
        );
        assert_in_order(&seen);
        assert!(seen.len() > 3, "a window's picture stands still");
    }
    assert_eq!(watching(&server), 102);
    println!("102 viewers were counted after {counted:?}");
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn a_page_opened_with_credentials_shows_everything() {
    let secrets = tempfile::tempdir().expect("a folder");
    let path = |name: &str| secrets.path().join(name).display().to_string();
    std::fs::write(path("users"), "ann:s?cret").expect("a file");
    std::fs::write(path("token"), "a+token&with=signs").expect("a file");
    let cameras = [
        "--camera",
        "front=pattern:320x240?fps=10",
        "--camera",
        "back=pattern:320x240?fps=10",
    ];
    let access = [
        "--auth-file",
        &path("users"),
        "--token-file",
        &path("token"),
    ];
    let server = Program::serve(&[&cameras[..], &access].concat());
    let browser = Driver::start();
    let live = "return [...document.querySelectorAll('article.live img')].filter((img) => img.naturalWidth).length";
    let shows = || browser.run(live) == 2 && browser.text("#status") == "Connected";

    browser.go(&server.url("/?token=a%2Btoken%26with%3Dsigns"));
    eventually("the page opened with a token shows both cameras", shows);
    let style = "return getComputedStyle(document.querySelector('main')).display";
    assert_eq!(browser.run(style), "flex", "the style is there, too");
    let linked = browser.run("return document.querySelector('article h2 a').search");
    assert_eq!(linked, "?camera=front&token=a%2Btoken%26with%3Dsigns");

    browser.go("about:blank");
    browser.go(&format!("http://ann:s%3Fcret@{}/", server.address));
    eventually(
        "the page opened with a name and a password shows both cameras",
        shows,
    );
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn page_that_is_left_closes_its_stream() {
    let server = serve("127.0.0.1:0", "pattern:320x240?fps=30");
    let browser = Driver::start();
    open(&browser, &server);
    eventually("the page watches", || watching(&server) == 1);

    browser.go("about:blank");
    let gone = eventually("no viewers are left", || watching(&server) == 0);
    println!("the stream was closed after {gone:?}");

    browser.back();
    let back = eventually("the page watches again", || watching(&server) == 1);
    println!("it was back after {back:?}");
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn the_page_says_that_the_server_is_gone_and_recovers_by_itself() {
    let pictures = Pictures::write();
    let server = serve("127.0.0.1:0", &pictures.source(FPS));
    let address = server.address;
    let browser = Driver::start();
    open(&browser, &server);
    browser.run("window.marker = 'the same page'");

    server.signal(Signal::TERM);
    server.wait();
    let told = eventually("the page says so", || {
        browser.text("#status").contains("Cannot reach")
    });
    let server = serve(&address.to_string(), &pictures.source(FPS));
    let connected = eventually("the page finds the server", || {
        browser.text("#status") == "Connected"
    });
    let watching = eventually("the page watches again", || watching(&server) == 1);
    let seen = watch(&browser, 3);

    println!(
        "told after {told:?}; after the restart: connected {connected:?}, watching {watching:?} later"
    );
    println!(
        "pictures seen in the 3 s after that: {:?}",
        seen.iter().map(|sight| sight.index).collect::<Vec<_>>()
    );
    assert_in_order(&seen);
    assert!(seen.len() > 3, "the picture does not come back");
    assert_eq!(browser.run("return window.marker"), "the same page");
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn page_goes_on_after_a_restart() {
    let pictures = Pictures::write();
    let mut servers = Restarts::new(serve("127.0.0.1:0", &pictures.source(FPS)));
    let browser = Driver::start();
    open(&browser, &servers.first);
    browser.run("window.marker = 'the same page'");

    servers.restart();
    let back = eventually("the page watches the new process", || {
        watching(&servers.first) == 1
    });
    let seen = watch(&browser, 3);
    println!(
        "the page watches {back:?} after the old process has exited, and sees {} pictures in 3 s",
        seen.len()
    );
    assert_in_order(&seen);
    assert!(seen.len() > 3, "the picture does not come back");
    assert_eq!(browser.run("return window.marker"), "the same page");
}

/// Shows the page and waits for its first picture.
fn open(browser: &Driver, server: &Program) {
    browser.go(&server.url("/"));
    let first = "return !!document.querySelector('article.live img')?.naturalWidth";
    eventually("the page shows a picture", || browser.run(first) == true);
}

/// Looks at the live picture each time the screen is drawn, for so many seconds, and tells when it
/// became another.
fn watch(browser: &Driver, seconds: u32) -> Vec<Sight> {
    const SCRIPT: &str = "
        const [seconds, done] = arguments;
        const end = Date.now() + 1000 * seconds;
        const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
        const seen = [];
        (function look() {
            const img = document.querySelector('article.live img');
            if (img?.naturalWidth) {
                canvas.drawImage(img, 0, 0, 1, 1);
                const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
                const colour = 4 * (red > 127) + 2 * (green > 127) + (blue > 127);
                if (seen.at(-1)?.[1] !== colour) seen.push([Date.now(), colour]);
            }
            if (Date.now() < end) requestAnimationFrame(look);
            else done(seen);
        })();";
    let seen = browser.run_async(SCRIPT, json!([seconds]));
    let sight = |pair: &serde_json::Value| Sight {
        at: pair[0].as_f64().expect("a time"),
        index: Pictures::COLOURS
            .iter()
            .position(|colour| pair[1] == *colour)
            .expect("one of the colours"),
    };
    seen.as_array()
        .expect("a list of sights")
        .iter()
        .map(sight)
        .collect()
}

/// A server with one camera, on `listen`.
fn serve(listen: &str, source: &str) -> Program {
    Program::serve_on(listen, &["--camera", &format!("camera={source}")])
}

/// How many watch the camera.
fn watching(server: &Program) -> u64 {
    server.state()["cameras"][0]["viewers"]
        .as_u64()
        .expect("a number of viewers")
}

/// Reads so many frames off the wire and tells when each was there.
fn read(mut viewer: Viewer, pictures: &Pictures, frames: usize) -> Vec<Sight> {
    let arrival = |jpeg: Vec<u8>| Sight {
        at: unix_ms(),
        index: pictures.index_of(&jpeg),
    };
    (0..frames).map(|_| arrival(viewer.part().jpeg)).collect()
}

fn assert_in_order(seen: &[Sight]) {
    for pair in seen.windows(2) {
        let expected = (pair[0].index + 1) % Pictures::COLOURS.len();
        assert_eq!(pair[1].index, expected, "a picture was left out: {seen:?}");
    }
}

fn median_delay(seen: &[Sight]) -> f64 {
    let mut delays: Vec<_> = seen.iter().map(Sight::delay).collect();
    delays.sort_by(f64::total_cmp);
    delays[delays.len() / 2]
}
