//! Pages of other sites, and names that others have chosen: what a browser lets them see.

use serde_json::{Value, json};

use super::elsewhere::Elsewhere;
use crate::driver::Driver;
use crate::either::Browser;
use crate::firefox::Firefox;
use crate::support::{Program, eventually};

const TOKEN: &str = "a-token-of-more-than-16";

/// Tries, from a page of another origin, everything by which it could get at what framecast serves.
/// What it tells is what came of each: what was seen, or the name of the error.
const TRY: &str = "
    const [server, done] = arguments;
    const sleep = (ms) => new Promise((ready) => setTimeout(ready, ms));
    const soon = (action) => Promise.race([action(), sleep(10000).then(() => 'nothing in 10 s')]);
    const cameras = async (options) => {
        const response = await fetch(`${server}/state`, options);
        return `${(await response.json()).cameras.length} camera`;
    };
    const bytes = async (path, options) => {
        const response = await fetch(server + path, options);
        const [first, second] = new Uint8Array(await response.arrayBuffer());
        const numbered = response.headers.get('X-Frame-Sequence') > 0;
        return first === 0xff && second === 0xd8 && numbered ? 'a JPEG' : `${response.type}, ${first}`;
    };
    const image = async (attributes) => {
        const image = Object.assign(new Image(), attributes, { src: `${server}/stream` });
        let failed = false;
        image.onerror = () => failed = true;
        document.body.append(image);
        while (!image.naturalWidth && !failed) await sleep(10);
        if (failed) throw new Error();
        return image;
    };
    const pixel = (image) => {
        const context = document.createElement('canvas').getContext('2d');
        context.drawImage(image, 0, 0);
        return `${context.getImageData(0, 0, 1, 1).data.length / 4} pixel`;
    };
    const event = () => new Promise((resolve, reject) => {
        const source = new EventSource(`${server}/events`);
        source.addEventListener('state', ({ data }) => resolve(`${JSON.parse(data).cameras.length} camera`));
        source.onerror = () => { source.close(); reject(new Error()); };
    });
    const script = () => new Promise((resolve, reject) => {
        const script = Object.assign(document.createElement('script'), { src: `${server}/state` });
        script.onload = () => resolve('run');
        script.onerror = () => reject(new Error());
        document.body.append(script);
    });
    const actions = {
        fetched: () => cameras(),
        fetched_with_credentials: () => cameras({ headers: { Authorization: 'Bearer x' } }),
        fetched_picture: () => bytes('/snapshot'),
        fetched_blindly: () => bytes('/snapshot', { mode: 'no-cors' }),
        state_fetched_blindly: () => bytes('/state', { mode: 'no-cors' }),
        shown: async () => (await image({})).naturalWidth > 0 ? 'a picture' : 'none',
        shown_and_read: async () => pixel(await image({})),
        shown_with_leave: async () => pixel(await image({ crossOrigin: 'anonymous' })),
        event, script,
    };
    (async () => {
        const seen = {};
        for (const name in actions) seen[name] = await soon(actions[name]).catch((error) => error.name);
        document.querySelectorAll('img').forEach((image) => image.src = '');
        document.body.replaceChildren();
        done(seen);
    })();";

/// Puts framecast's page into a frame.
const FRAME: &str = "
    const [server, done] = arguments;
    const frame = Object.assign(document.createElement('iframe'), { src: `${server}/` });
    frame.onload = () => done();
    document.body.append(frame);";

/// Tells whether the document is framecast's page: in place of one that is refused, a browser shows
/// a page of its own.
const OURS: &str =
    "const [done] = arguments; done(document.querySelector('h1')?.textContent === 'framecast');";

/// Asks with a token and without one, and tells the status of each answer.
const LOG_IN: &str = "
    const [address, token, done] = arguments;
    const status = (headers) => fetch(address, { headers }).then((response) => response.status, (error) => error.name);
    (async () => done([await status({}), await status({ Authorization: `Bearer ${token}` })]))();";

/// An empty page: showing it closes the streams of the page before.
const NOTHING: &str = "about:blank";

fn serve(options: &[&str]) -> Program {
    Program::serve(
        &[
            &["--camera", "pattern:64x48?fps=20", "--always-on"],
            options,
        ]
        .concat(),
    )
}

fn server_of(program: &Program) -> String {
    program.url("").trim_end_matches('/').to_owned()
}

/// What a page of `origin` gets to see.
fn tried(browser: &mut impl Browser, origin: &str, program: &Program) -> Value {
    browser.go(&format!("{origin}/page"));
    let mut seen = browser.run_async(TRY, json!([server_of(program)]));
    browser.run_async(FRAME, json!([server_of(program)]));
    browser.switch_to_frame(Some(0));
    seen["framed"] = browser.run_async(OURS, json!([]));
    browser.switch_to_frame(None);
    browser.go(NOTHING);
    seen
}

/// What a page without permission sees: a picture, but none of its data. `blind` is
/// what comes of asking for something without being able to read the answer.
fn nothing(blind: &str) -> Value {
    json!({
        "fetched": "TypeError",
        "fetched_with_credentials": "TypeError",
        "fetched_picture": "TypeError",
        "fetched_blindly": "opaque, undefined",
        "state_fetched_blindly": blind,
        "shown": "a picture",
        "shown_and_read": "SecurityError",
        "shown_with_leave": "Error",
        "event": "Error",
        "script": "Error",
        "framed": false,
    })
}

/// What may be seen by a page that is allowed to.
fn everything() -> Value {
    json!({
        "fetched": "1 camera",
        "fetched_with_credentials": "1 camera",
        "fetched_picture": "a JPEG",
        "fetched_blindly": "opaque, undefined",
        "state_fetched_blindly": "opaque, undefined",
        "shown": "a picture",
        "shown_and_read": "SecurityError",
        "shown_with_leave": "1 pixel",
        "event": "1 camera",
        // Its content is no script, even for pages that may read it.
        "script": "Error",
        "framed": true,
    })
}

fn pages_from_elsewhere(browser: &mut impl Browser) {
    let site = Elsewhere::open();
    let (near, far) = (site.next_door(), site.far_away());
    let closed = serve(&[]);
    for origin in [&near, &far] {
        assert_eq!(
            tried(browser, origin, &closed),
            nothing("TypeError"),
            "{origin}, by default"
        );
    }
    for options in [
        &[
            "--allow-origin",
            &far,
            "--allow-origin",
            "https://dash.example.org",
        ][..],
        &["--allow-origin", "*"],
    ] {
        let open = serve(options);
        assert_eq!(
            tried(browser, &far, &open),
            everything(),
            "{far} with {options:?}"
        );
        let expected = if options.contains(&"*") {
            everything()
        } else {
            nothing("opaque, undefined")
        };
        assert_eq!(
            tried(browser, &near, &open),
            expected,
            "{near} with {options:?}"
        );
    }

    let asks = serve(&["--token", TOKEN, "--allow-origin", &far]);
    for (origin, statuses) in [
        (&far, json!([401, 200])),
        (&near, json!(["TypeError", "TypeError"])),
    ] {
        browser.go(&format!("{origin}/page"));
        assert_eq!(
            browser.run_async(LOG_IN, json!([asks.url("/state"), TOKEN])),
            statuses,
            "{origin}"
        );
    }
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn a_page_from_elsewhere_sees_what_it_is_allowed_to_in_chromium() {
    pages_from_elsewhere(&mut Driver::start());
}

#[test]
#[ignore = "needs firefox-esr"]
fn a_page_from_elsewhere_sees_what_it_is_allowed_to_in_firefox() {
    pages_from_elsewhere(&mut Firefox::start());
}

/// Tells the text of the page, and of what its scripts are answered where they stand.
const READ: &str = "
    const [done] = arguments;
    fetch('/state').then(async (response) => done([document.body.textContent, response.status]));";

/// A page elsewhere can have its name lead here after it was loaded ("DNS rebinding"): it is then
/// of our origin.
fn names_of_others(browser: &mut impl Browser) {
    let program = serve(&["--allow-host", "cam.example.org"]);
    let port = program.address.port();
    let mut opened = |name: &str| {
        browser.go(&format!("http://{name}:{port}/"));
        let read = browser.run_async(READ, json!([]));
        browser.go(NOTHING);
        read
    };
    let refused = opened("evil.example.com");
    assert!(
        refused[0]
            .as_str()
            .expect("a text")
            .contains("--allow-host")
            && refused[1] == 421,
        "{refused}"
    );
    for name in ["camera.local", "cam.example.org", "localhost"] {
        let page = opened(name);
        let text = page[0].as_str().expect("a text");
        assert!(
            text.contains("Hot keys") && page[1] == 200,
            "{name}: {page}"
        );
    }
}

const NAMES: [&str; 3] = ["evil.example.com", "camera.local", "cam.example.org"];

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn dns_rebinding_is_refused_in_chromium() {
    names_of_others(&mut Driver::start_at_home(&NAMES));
}

#[test]
#[ignore = "needs firefox-esr"]
fn dns_rebinding_is_refused_in_firefox() {
    names_of_others(&mut Firefox::start_at_home(&NAMES));
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn pages_opened_with_a_token_work_wholly_and_keep_it_to_themselves() {
    let site = Elsewhere::open();
    let program = serve(&["--token", TOKEN]);
    let browser = Driver::start();
    browser.go(&program.url("/"));
    assert!(browser.text("body").contains("credentials"));
    browser.console();

    for (path, element) in [
        ("/", "article.live img"),
        ("/loop", "#turns [data-figure=longest]"),
        ("/table?rows=3", "td"),
    ] {
        let mark = if path.contains('?') { '&' } else { '?' };
        browser.go(&program.url(&format!("{path}{mark}token={TOKEN}")));
        let shown = format!(
            "const found = document.querySelector({element:?});
             return !!(found?.naturalWidth || found?.textContent.trim() || found?.innerText.trim())"
        );
        eventually("the page shows what it is for", || {
            browser.run(&shown) == true
        });
        let links = "return [...document.querySelectorAll('a[href]')].map(({ href }) => href)";
        for link in browser.run(links).as_array().expect("a list of links") {
            let target = link
                .as_str()
                .and_then(|link| link.strip_prefix(&server_of(&program)))
                .expect("a link to us");
            let head = program.request(&format!(
                "HEAD {target} HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n\r\n"
            ));
            assert_eq!(head.status(), 200, "{path} links to {target}");
        }
        assert_eq!(
            browser.console(),
            Vec::<String>::new(),
            "{path} has something to complain of"
        );

        // By a link, and by a script.
        for (way, leave) in [
            (
                "link",
                "Object.assign(document.createElement('a'), { href }).click()",
            ),
            ("script", "location = href"),
        ] {
            browser.go(&program.url(&format!("{path}{mark}token={TOKEN}")));
            let target = format!("/from{}by-{way}", path.replace('?', "-"));
            browser.run(&format!(
                "const href = '{}{target}'; {leave}",
                site.far_away()
            ));
            eventually("the browser has left", || {
                browser.text("title") == "Elsewhere"
            });
            for head in site.asked(&target) {
                assert!(
                    !head.contains("referer:") && !head.contains(TOKEN),
                    "{head}"
                );
            }
        }
        browser.console();
    }
    // A page that says nothing of it is named to those it leads to.
    browser.run("Object.assign(document.createElement('a'), { href: '/from-elsewhere' }).click()");
    eventually("the browser has left", || {
        browser.run("return location.pathname") == "/from-elsewhere"
    });
    assert!(
        site.asked("/from-elsewhere")
            .iter()
            .all(|head| head.contains("referer: "))
    );
}

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn the_pages_keep_to_their_own_policy() {
    let site = Elsewhere::open();
    let program = Program::serve(&[
        "--camera",
        "a=pattern:64x48?fps=10",
        "--camera",
        "b=stills:?fps=5",
    ]);
    let browser = Driver::start();
    for (path, marks) in [
        ("/", "article.live img"),
        ("/loop", ".lane"),
        ("/table?rows=100", "tr:last-child"),
    ] {
        browser.go(&program.url(path));
        let shown = format!("return !!document.querySelector({marks:?})");
        eventually("the page shows something", || browser.run(&shown) == true);
        browser.run("document.querySelectorAll('summary, .copy, [data-profile]').forEach((button) => button.click())");
        // Long enough for its figures to be refreshed, and a still to be loaded.
        std::thread::sleep(std::time::Duration::from_millis(1500));
        assert_eq!(browser.console(), Vec::<String>::new(), "{path}");

        browser.run(&format!(
            "document.body.append(Object.assign(new Image(), {{ src: '{}/x' }}))",
            site.far_away()
        ));
        let told = || {
            browser
                .console()
                .iter()
                .any(|words| words.contains("Content Security Policy"))
        };
        eventually("what the policy forbids is told on the console", told);
    }
}
