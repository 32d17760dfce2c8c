//! The viewer page: what it claims, what its buttons and hot keys do, and what it remembers.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::driver::Driver;
use crate::either::Browser;
use crate::firefox::Firefox;
use crate::support::{Program, eventually};

/// Small and slow, so that a debug build draws it in time.
const PATTERN: &str = "pattern:160x120?fps=10";
const ESCAPE: &str = "\u{e00c}";
const BROKEN: &str = "exec:sh -c 'echo lens cap on >&2; exit 1'";

fn serve(cameras: &[(&str, &str)], more: &[&str]) -> Program {
    let cameras: Vec<String> = cameras
        .iter()
        .map(|(name, source)| format!("--camera={name}={source}"))
        .collect();
    Program::serve(
        &cameras
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect::<Vec<_>>(),
    )
}

/// Opens the page at `path` and waits until each tile is of `kind`.
fn open(browser: &Driver, server: &Program, path: &str, kind: &str) {
    browser.go(&server.url(path));
    let script = format!(
        "const tiles = [...document.querySelectorAll('article')];
         return tiles.length > 0 && tiles.every((tile) => tile.classList.contains('{kind}'))"
    );
    eventually(&format!("each tile is {kind}"), || {
        browser.run(&script) == true
    });
}

/// Whether an element is seen.
fn sees(browser: &Driver, selector: &str) -> bool {
    browser.run(&format!(
        "return document.querySelector({selector:?})?.checkVisibility() ?? false"
    )) == true
}

fn style(browser: &Driver, property: &str) -> Value {
    browser.run(&format!(
        "return getComputedStyle(document.querySelector('article .frame')).{property}"
    ))
}

fn query(browser: &Driver) -> Value {
    browser.run("return location.search")
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn overlay_is_hidden_once_there_is_a_picture_and_shown_when_the_server_is_gone() {
    let server = serve(&[("door", "pattern:120x160?fps=10")], &[]);
    let browser = Driver::start();
    open(&browser, &server, "/", "live");
    assert!(!sees(&browser, ".notice"), "nothing lies over a picture");
    assert_eq!(browser.text(".mode"), "Live");
    assert_eq!(browser.text("title"), "door · framecast");
    let ratio = browser.run(
        "const { width, height } = document.querySelector('.picture').getBoundingClientRect();
                             return width / height",
    );
    assert!(
        (ratio.as_f64().unwrap() - 0.75).abs() < 0.02,
        "a portrait camera has a portrait tile: {ratio}"
    );
    assert_eq!(browser.console(), Vec::<String>::new());

    server.signal(Signal::TERM);
    server.wait();
    eventually("the overlay reports it", || {
        browser.text(".notice").contains("Cannot reach")
    });
    assert!(sees(&browser, ".notice"));
    assert_eq!(browser.text(".mode"), "No connection");
    assert_eq!(
        browser.run("return document.querySelector('#status').className"),
        "bad"
    );
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn view_is_remembered_per_camera_and_in_the_address() {
    let server = serve(&[("front", PATTERN), ("back", PATTERN)], &[]);
    let browser = Driver::start();
    open(&browser, &server, "/?camera=front", "live");
    browser.press("r");
    assert_eq!(
        (style(&browser, "rotate"), query(&browser)),
        (json!("90deg"), json!("?camera=front&rotate=90"))
    );
    let upright =
        "const { width, height } = document.querySelector('.picture').getBoundingClientRect();
                   return height > width";
    eventually("the tile has the shape of what is seen", || {
        browser.run(upright) == true
    });
    // Left and right as seen are top and bottom of a picture that lies on its side.
    browser.press("m");
    assert_eq!(
        (style(&browser, "scale"), query(&browser)),
        (json!("1 -1"), json!("?camera=front&rotate=90&flip=v"))
    );
    browser.run("location.reload()");
    open(&browser, &server, "/?camera=front&rotate=90&flip=v", "live");
    assert_eq!(style(&browser, "rotate"), "90deg");

    open(&browser, &server, "/", "live");
    assert_eq!(
        style(&browser, "rotate"),
        "90deg",
        "it is remembered without the address"
    );
    let second = "return getComputedStyle(document.querySelectorAll('article .frame')[2]).rotate";
    assert_eq!(browser.run(second), "0deg", "of this camera alone");
    browser.run("document.querySelectorAll('article')[1].focus()");
    browser.press("r");
    assert_eq!(query(&browser), "?rotate.back=90");
    open(&browser, &server, "/?rotate.front=0&flip.front=", "live");
    assert_eq!(
        style(&browser, "rotate"),
        "0deg",
        "the address takes precedence"
    );
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn paused_camera_keeps_its_picture_and_closes_its_stream() {
    let server = serve(&[("camera", PATTERN)], &[]);
    let browser = Driver::start();
    open(&browser, &server, "/", "live");
    browser.press(" ");
    eventually("it is paused", || browser.text(".mode") == "Paused");
    eventually("its stream is closed", || {
        server.state()["cameras"][0]["viewers"] == 0
    });
    let kept = "const { width, hidden } = document.querySelector('article canvas'); return [width, hidden]";
    assert_eq!(browser.run(kept), json!([160, false]));
    assert_eq!(
        browser.run("return document.querySelector('.pause').ariaLabel"),
        "Resume"
    );
    browser.press("k");
    eventually("it is live again", || browser.text(".mode") == "Live");
    eventually("it is watched", || {
        server.state()["cameras"][0]["viewers"] == 1
    });
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn help_sheet_lists_the_hot_keys_and_switches_them_off() {
    let server = serve(&[("camera", PATTERN)], &[]);
    let browser = Driver::start();
    open(&browser, &server, "/", "live");
    assert!(!sees(&browser, "#keys"));
    browser.press("?");
    assert!(sees(&browser, "#keys"));
    let listed = browser.text("#keys dl");
    for action in [
        "Pause",
        "Full screen",
        "snapshot",
        "Rotate right",
        "Mirror",
        "Picture-in-picture",
    ] {
        assert!(listed.contains(action), "{action}: {listed}");
    }
    browser.run("document.querySelector('#keys input').click()");
    browser.press(ESCAPE);
    assert!(!sees(&browser, "#keys"));
    browser.press("r");
    assert_eq!(query(&browser), "", "they are off");
    open(&browser, &server, "/", "live");
    browser.press("r");
    assert_eq!(query(&browser), "", "which is remembered");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn full_screen_shows_name_and_time() {
    let server = serve(&[("front", PATTERN), ("back", PATTERN)], &[]);
    let browser = Driver::start();
    open(&browser, &server, "/", "live");
    assert!(!sees(&browser, ".osd"));
    browser.press("f");
    eventually("it is in full screen", || {
        browser.run("return !!document.fullscreenElement") == true
    });
    assert!(sees(&browser, ".maximised .osd") && sees(&browser, ".maximised .leave"));
    assert_eq!(browser.text(".maximised .osd b"), "front");
    assert!(
        browser.text(".maximised time").contains(':'),
        "a time of day"
    );
    eventually("the title names it", || {
        browser.text("title") == "front · framecast"
    });
    browser.press("\u{e014}");
    eventually("the next camera takes its place", || {
        browser.text(".maximised .osd b") == "back"
    });
    browser.press("f");
    eventually("it is left", || {
        browser.run("return !document.fullscreenElement") == true
    });
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn picture_in_picture_shows_the_camera_as_it_is_turned() {
    let server = serve(&[("camera", PATTERN)], &[]);
    let browser = Driver::start();
    open(&browser, &server, "/?rotate=90", "live");
    browser.press("p");
    let window = "const video = document.pictureInPictureElement; return [video?.videoWidth, video?.videoHeight]";
    eventually("the small window has its shape", || {
        browser.run(window) == json!([120, 160])
    });
    let time = || {
        browser
            .run("return document.pictureInPictureElement.currentTime")
            .as_f64()
            .unwrap()
    };
    let before = time();
    eventually("its picture moves", || time() > before + 0.5);
    browser.press("p");
    eventually("it is closed", || {
        browser.run("return !document.pictureInPictureElement") == true
    });
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn snapshot_and_clip_are_saved_as_files_named_after_the_camera() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&[("front", PATTERN)], &["--history", "10s"]);
    let browser = Driver::start();
    browser.save_into(folder.path());
    open(&browser, &server, "/", "live");
    let saved = |ending: &str| {
        let names = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.into_iter().find(|name| name.ends_with(ending))
    };
    browser.press("s");
    eventually("a snapshot is saved", || saved(".jpg").is_some());
    let name = saved(".jpg").unwrap();
    let shape: String = name
        .chars()
        .map(|letter| if letter.is_ascii_digit() { '9' } else { letter })
        .collect();
    assert_eq!(shape, "front-9999-99-99T99-99-99.jpg");
    assert_eq!(
        fs::read(folder.path().join(name)).unwrap()[..2],
        [0xff, 0xd8]
    );

    eventually("there is a history", || sees(&browser, ".clip"));
    browser.press("c");
    eventually("a clip is saved", || {
        saved(".avi").is_some_and(|name| name.starts_with("front-"))
    });
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn names_in_any_script_work_in_every_address() {
    const NAME: &str = "Küche & Bad (1) 前+%41";
    let folder = tempfile::tempdir().unwrap();
    let server = serve(
        &[(NAME, PATTERN), ("other", PATTERN)],
        &["--history", "10s"],
    );
    let browser = Driver::start();
    browser.save_into(folder.path());
    open(&browser, &server, "/", "live");
    browser.run("document.querySelector('h2 a').click()");
    eventually("the link shows that camera alone", || {
        browser.text("title") == format!("{NAME} · framecast")
    });
    eventually("it is live", || {
        browser.run("return !!document.querySelector('article.live')") == true
    });
    browser.press("r");
    eventually("there is a history", || sees(&browser, ".clip"));
    browser.press("s");
    browser.press("c");
    let saved = || {
        fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
    };
    let is_saved =
        |ending: &str| saved().any(|name| name.starts_with(NAME) && name.ends_with(ending));
    eventually("both files have its name", || {
        is_saved(".jpg") && is_saved(".avi")
    });
    browser.run("location.reload()");
    eventually("it is live", || {
        browser.run("return !!document.querySelector('article.live')") == true
    });
    assert_eq!(
        (browser.text("h2"), style(&browser, "rotate")),
        (NAME.to_owned(), json!("90deg"))
    );
    let table = browser.run("return document.querySelector('header a[href^=table]').href");
    browser.go(&format!("{}&rows=3", table.as_str().unwrap()));
    assert_eq!(browser.text("main h2"), format!("Frames of {NAME}"));
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn snapshot_that_fails_is_reported() {
    let server = serve(&[("camera", BROKEN)], &[]);
    let browser = Driver::start();
    open(&browser, &server, "/", "offline");
    browser.press("s");
    eventually("the reason is shown", || {
        browser.text("#message").contains("lens cap on")
    });
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn offline_camera_is_shown_as_such_with_the_reason() {
    let browser = Driver::start();
    let alone = serve(&[("garage", BROKEN)], &[]);
    open(&browser, &alone, "/?rotate=90", "offline");
    assert_eq!(browser.text(".mode"), "Offline");
    let reason = || format!("{}{}", browser.text(".reason"), browser.text(".notice"));
    eventually("the reason is shown", || reason().contains("lens cap on"));
    eventually("the picture that stands in is upright", || {
        style(&browser, "rotate") == "0deg"
    });
    let header = || {
        browser.run(
            "const { className, textContent } = document.querySelector('#status');
                                 return [className, textContent]",
        )
    };
    assert_eq!(header(), json!(["bad", "Offline: garage"]));

    let one_of_two = serve(&[("front", PATTERN), ("garage", BROKEN)], &[]);
    browser.go(&one_of_two.url("/"));
    eventually("the header names it", || {
        header() == json!(["warn", "Offline: garage"])
    });
    eventually("the other one is live", || {
        browser.text("article.live h2") == "front"
    });
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn last_picture_of_an_offline_camera_is_not_live() {
    let server = serve(
        &[(
            "camera",
            "exec:sh -c 'cat frames/1.jpg; echo gone >&2; exit 1'",
        )],
        &["--offline", "last"],
    );
    let browser = Driver::start();
    open(&browser, &server, "/", "offline");
    assert_eq!(browser.text(".mode"), "Offline");
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn unknown_camera_is_named_and_the_others_are_listed() {
    let server = serve(&[("front", PATTERN), ("back", PATTERN)], &[]);
    let browser = Driver::start();
    browser.go(&server.url("/?camera=%3Cb%3Enosuch"));
    eventually("the page reports it", || {
        browser.text(".nosuch h2").contains("“<b>nosuch”")
    });
    assert_eq!(
        browser.run("return document.querySelector('#status').className"),
        "warn"
    );
    assert_eq!(
        browser.run("return document.querySelectorAll('article, .nosuch b').length"),
        0
    );
    browser.run("document.querySelectorAll('.nosuch a')[1].click()");
    eventually("the link leads to the camera", || {
        browser.text("article.live h2") == "back"
    });
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn only_a_running_camera_with_a_new_picture_is_live() {
    let server = serve(&[("camera", PATTERN)], &[]);
    let browser = Driver::start();
    open(&browser, &server, "/", "live");
    let judged = browser.run_async(
        "const done = arguments[0];
         import('./status.js').then(({ cameraStatus, overall }) => {
            const camera = (more, state) => ({
                isLive: true, hasPicture: true, usualMs: 40, unreachable: '', ...more,
                state: { name: 'a', online: true, frame_age_ms: 40, error: null, ...state },
            });
            const kind = (...facts) => cameraStatus(camera(...facts)).kind;
            done([
                kind(), kind({}, { frame_age_ms: 6000 }), kind({ usualMs: 10000 }, { frame_age_ms: 6000 }),
                kind({ hasPicture: false }), kind({ hasPicture: false, obstacle: 'x' }),
                kind({}, { online: false }), kind({}, { offline: true }), kind({ isPaused: true }),
                kind({ isLive: false }), kind({ unreachable: 'gone' }),
                overall([camera().state], [{ name: 'a', kind: 'stale' }]).join(': '),
            ]);
         });",
        json!([]),
    );
    let kinds = [
        "live",
        "stale",
        "live",
        "waiting",
        "obstructed",
        "waiting",
        "offline",
        "paused",
        "still",
    ];
    let rest = ["unreachable", "warn: No new picture: a"];
    assert_eq!(judged, json!([&kinds[..], &rest].concat()));
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn pictures_that_cannot_be_shown_are_not_live_and_the_reason_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut jpeg = fs::read("frames/1.jpg").unwrap();
    // The first scan uses a Huffman table that is not defined (ITU T.81, B.2.3).
    let scan = jpeg
        .windows(2)
        .position(|bytes| bytes == [0xff, 0xda])
        .unwrap();
    jpeg[scan + 6] = 0x33;
    fs::write(folder.path().join("a.jpg"), jpeg).unwrap();
    let server = serve(
        &[("camera", &format!("stills:{}", folder.path().display()))],
        &[],
    );
    let browser = Driver::start();
    browser.go(&server.url("/"));
    let kind = || browser.run("return document.querySelector('article')?.className ?? ''");
    let named = |kind: Value, names: [&str; 2]| {
        names
            .iter()
            .any(|name| kind.as_str().unwrap().contains(name))
    };
    eventually("it is not live", || {
        named(kind(), ["obstructed", "offline"])
    });
    assert!(!browser.text(".notice").is_empty() || !browser.text(".reason").is_empty());

    let full = serve(&[("camera", PATTERN)], &["--viewers-max", "1"]);
    let _viewer = full.watch("/stream");
    browser.go(&full.url("/"));
    eventually("the refusal is shown", || {
        browser.text(".notice").contains("viewers")
    });
    assert_eq!(browser.text(".mode"), "No picture");
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn icons_and_manifest_are_accepted_by_the_browser() {
    let server = serve(
        &[("camera", PATTERN)],
        &["--token", "a-token-of-more-than-16"],
    );
    let browser = Driver::start();
    open(&browser, &server, "/?token=a-token-of-more-than-16", "live");
    let widths = browser.run_async(
        "const done = arguments[0];
         const manifest = document.querySelector('link[rel=manifest]').href;
         fetch(manifest).then((response) => response.json()).then(async ({ icons, start_url }) => {
            const links = [...document.querySelectorAll('link[rel*=icon]')].map(({ href }) => href);
            const sources = [...icons.map(({ src }) => new URL(src, manifest).href), ...links];
            const width = async (src) => {
                const image = Object.assign(new Image(), { src });
                await image.decode();
                return image.naturalWidth > 0;
            };
            done([await Promise.all(sources.map(width)), start_url]);
         }).catch((error) => done(`${error}`));",
        json!([]),
    );
    assert_eq!(
        widths,
        json!([
            [true, true, true, true, true, true],
            "./?token=a%2Dtoken%2Dof%2Dmore%2Dthan%2D16"
        ])
    );
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn nothing_is_cut_or_collides_at_any_width() {
    let server = serve(
        &[("front", PATTERN), ("back", PATTERN), ("door", PATTERN)],
        &["--history", "5s"],
    );
    let browser = Driver::start();
    // Cells, figures and tools whose content is wider than they are, or that lie over their
    // neighbour.
    let faults = "
        const boxes = (selector) => [...document.querySelectorAll(selector)].filter((box) => box.checkVisibility());
        const cut = boxes('td, th, header, footer, article, .caption dl, h1, #status')
            .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth + 1);
        const near = boxes('.caption dl div').filter((box) => {
            const next = box.nextElementSibling?.getBoundingClientRect();
            const own = box.getBoundingClientRect();
            return next && next.top === own.top && next.left - own.right < 6;
        });
        const page = document.documentElement;
        const tall = boxes('tbody td').filter(({ clientHeight }) => clientHeight > 50); // more than two lines
        const faults = [...cut, ...tall].map(({ outerHTML }) => outerHTML.slice(0, 90));
        return [faults, near.length, page.scrollWidth > innerWidth];";
    for width in [390, 660, 700, 1280] {
        browser.resize(width, 844);
        open(&browser, &server, "/", "live");
        assert_eq!(
            browser.run(faults),
            json!([[], 0, false]),
            "/ at {width} px"
        );
        browser.go(&server.url("/table?rows=50"));
        assert_eq!(
            browser.run(faults),
            json!([[], 0, false]),
            "/table at {width} px"
        );
        browser.go(&server.url("/loop"));
        assert_eq!(
            browser.run(faults),
            json!([[], 0, false]),
            "/loop at {width} px"
        );
    }
}

/// Turns, pauses and resumes by keys, and returns what came of each.
const USE: &str = "
    const done = arguments[0];
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const until = async (holds) => { while (!holds()) await sleep(50); };
    const mode = () => document.querySelector('.mode')?.textContent;
    const press = (key) => dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
    const notice = () => getComputedStyle(document.querySelector('.notice')).display;
    (async () => {
        await until(() => mode() === 'Live');
        const seen = [notice(), document.title];
        press('r');
        seen.push(location.search, getComputedStyle(document.querySelector('article .frame')).rotate);
        press(' ');
        await until(() => mode() === 'Paused');
        const canvas = document.querySelector('article canvas');
        seen.push(canvas.width, canvas.hidden);
        press(' ');
        await until(() => mode() === 'Live');
        press('?');
        seen.push(document.querySelector('#keys').open);
        done(seen);
    })();";

#[test]
#[ignore = "needs firefox-esr"]
fn page_works_in_firefox_too() {
    let server = serve(&[("camera", PATTERN)], &[]);
    let mut browser = Firefox::start();
    Browser::go(&mut browser, &server.url("/"));
    let seen = browser.run_async(USE, json!([]));
    assert_eq!(
        seen,
        json!([
            "none",
            "camera · framecast",
            "?rotate=90",
            "90deg",
            160,
            false,
            true
        ])
    );
}
