//! Browsers: the stream in an `<img>`, the stream as a page of its own, and how Mainsail reads it.

use serde_json::{Value, json};

use crate::driver::Driver;
use crate::either::Browser;
use crate::firefox::Firefox;
use crate::matrix::{ADDRESSES, FPS, Show, assert_moving};
use crate::pictures::Pictures;

/// A browser keeps six connections to one server, and one of them is for other things.
const STREAMS_AT_ONCE: usize = 5;

/// How long a browser may take to show every picture.
const SECONDS: u32 = 20;

/// Shows each address and tells, every few milliseconds, which colour its first pixel has: 4 for
/// red, 2 for green and 1 for blue. `kind` is `img`, or `iframe` for the stream as a document of
/// its own.
const WATCH: &str = "
    const [kind, addresses, seconds, done] = arguments;
    document.body.replaceChildren();
    const elements = addresses.map((address) => {
        const element = document.createElement(kind);
        element.src = address;
        document.body.append(element);
        return element;
    });
    const seen = addresses.map(() => []);
    const context = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const look = async (element, seen) => {
        const image = kind === 'img' ? element : element.contentDocument?.images[0];
        if (!image?.naturalWidth) return;
        // Firefox draws an <img> on a canvas as it was when it was first drawn there; this takes it
        // as it is.
        const bitmap = await createImageBitmap(image);
        context.drawImage(bitmap, 0, 0, 1, 1);
        bitmap.close();
        const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
        const colour = 4 * (red > 127) + 2 * (green > 127) + (blue > 127);
        if (seen.at(-1) !== colour) seen.push(colour);
    };
    (async () => {
        const end = Date.now() + 1000 * seconds;
        while (Date.now() < end && seen.some((colours) => new Set(colours).size < 6)) {
            // A page that is being replaced by the next picture has no image for a moment.
            for (const [index, element] of elements.entries()) await look(element, seen[index]).catch(() => {});
            await new Promise((ready) => setTimeout(ready, 10));
        }
        elements.forEach((element) => element.removeAttribute('src'));
        document.body.replaceChildren();
        done(seen);
    })();";

/// Reads a stream by `fetch`, as Mainsail does: a part's header is what came before the first two
/// bytes of a JPEG, and its `content-length` says where the picture ends. What it tells is the
/// colour of each picture.
const FETCH: &str = "
    const [address, seconds, done] = arguments;
    (async () => {
        const abort = new AbortController();
        setTimeout(() => abort.abort(), 1000 * seconds);
        const colours = [];
        try {
            const response = await fetch(address, { mode: 'cors', signal: abort.signal });
            if (!response.ok) throw new Error(response.status);
            const reader = response.body.getReader();
            let header = '', length = 0, picture = [];
            for (;;) {
                const { value, done: ended } = await reader.read();
                if (ended) throw new Error('the stream has ended');
                for (let index = 0; index < value.length; index++) {
                    if (length === 0) {
                        if (value[index] === 0xff && value[index + 1] === 0xd8) {
                            length = Number(/^content-length:\\s*(\\d+)\\s*$/im.exec(header)[1]);
                            picture = [value[index]];
                        } else header += String.fromCharCode(value[index]);
                    } else if (picture.length < length) picture.push(value[index]);
                    else {
                        const blob = new Blob([new Uint8Array(picture)], { type: 'image/jpeg' });
                        const bitmap = await createImageBitmap(blob);
                        const context = new OffscreenCanvas(1, 1).getContext('2d');
                        context.drawImage(bitmap, 0, 0, 1, 1);
                        const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
                        colours.push(4 * (red > 127) + 2 * (green > 127) + (blue > 127));
                        if (new Set(colours).size === 6) abort.abort();
                        header = '', length = 0;
                    }
                }
            }
        } catch (error) {
            done(abort.signal.aborted ? colours : String(error));
        }
    })();";

/// Asks for one snapshot after the other in an `<img>`, each past the cache, as Mainsail and Fluidd
/// do where they are told to be adaptive. What it tells is the colour of each.
const ADAPT: &str = "
    const [address, buster, pause, seconds, done] = arguments;
    const end = Date.now() + 1000 * seconds;
    const context = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const colours = [];
    const image = new Image();
    image.crossOrigin = 'anonymous';
    const ask = () => {
        const url = new URL(address, location);
        url.searchParams.set(buster, Date.now().toString());
        image.src = url.toString();
    };
    image.onload = () => {
        context.drawImage(image, 0, 0, 1, 1);
        const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
        colours.push(4 * (red > 127) + 2 * (green > 127) + (blue > 127));
        if (Date.now() < end && new Set(colours).size < 6) setTimeout(ask, pause);
        else done(colours);
    };
    image.onerror = () => done('a snapshot cannot be shown');
    ask();";

#[test]
#[ignore = "needs chromium and chromium-driver"]
fn chromium() {
    let show = Show::open();
    let mut browser = Driver::start();
    browser.go(&show.server.url("/healthz"));
    show_everything("Chromium", &show, &mut browser);
}

#[test]
#[ignore = "needs firefox-esr"]
fn firefox() {
    let show = Show::open();
    let mut browser = Firefox::start();
    browser.go(&show.server.url("/healthz"));
    show_everything("Firefox", &show, &mut browser);
}

/// The page of a printer is of another origin than its camera. Any page will do for it: here it is
/// another framecast's.
#[test]
#[ignore = "needs chromium and chromium-driver"]
fn chromium_on_a_printers_page() {
    let page = Show::open();
    let mut browser = Driver::start();
    browser.go(&page.server.url("/healthz"));
    show_to_scripts_of("Chromium, elsewhere", &page.server.url(""), &mut browser);
}

#[test]
#[ignore = "needs firefox-esr"]
fn firefox_on_a_printers_page() {
    let page = Show::open();
    let mut browser = Firefox::start();
    browser.go(&page.server.url("/healthz"));
    show_to_scripts_of("Firefox, elsewhere", &page.server.url(""), &mut browser);
}

fn show_to_scripts_of(name: &str, origin: &str, browser: &mut impl Browser) {
    show_to_scripts(name, &Show::open_with(&["--allow-origin", origin]), browser);
    let closed = Show::open();
    let stream = browser.run_async(
        FETCH,
        json!([closed.server.url("/?action=stream"), SECONDS]),
    );
    assert!(
        stream
            .as_str()
            .is_some_and(|error| error.starts_with("TypeError")),
        "{name} is not to read it: {stream}"
    );
    let still = browser.run_async(
        ADAPT,
        json!([closed.server.url("/snapshot"), "cacheBust", 50, SECONDS]),
    );
    assert_eq!(
        still, "a snapshot cannot be shown",
        "{name} is not to draw it on a canvas"
    );
}

fn show_everything(name: &str, show: &Show, browser: &mut impl Browser) {
    for kind in ["img", "iframe"] {
        for addresses in ADDRESSES.chunks(STREAMS_AT_ONCE) {
            let urls: Vec<_> = addresses
                .iter()
                .map(|address| show.server.url(address))
                .collect();
            let seen = browser.run_async(WATCH, json!([kind, urls, SECONDS]));
            for (address, colours) in addresses
                .iter()
                .zip(seen.as_array().expect("one list for each"))
            {
                assert_moving(
                    &format!("{name}, {kind}"),
                    address,
                    &pictures_of_colours(colours),
                );
            }
        }
    }
    show_to_scripts(name, show, browser);
}

/// What Mainsail's and Fluidd's scripts read.
fn show_to_scripts(name: &str, show: &Show, browser: &mut impl Browser) {
    for address in [
        "/?action=stream&timestamp=1732454800123",
        "/stream?timestamp=1732454800123",
    ] {
        let colours = browser.run_async(FETCH, json!([show.server.url(address), SECONDS]));
        assert_moving(
            &format!("{name}, fetch"),
            address,
            &pictures_of_colours(&colours),
        );
    }
    for (address, buster) in [
        ("/?action=snapshot", "bypassCache"),
        ("/snapshot", "cacheBust"),
    ] {
        let colours = browser.run_async(
            ADAPT,
            json!([show.server.url(address), buster, 1000 / FPS / 2, SECONDS]),
        );
        assert_moving(
            &format!("{name}, adaptive"),
            address,
            &pictures_of_colours(&colours),
        );
    }
}

fn pictures_of_colours(colours: &Value) -> Vec<usize> {
    let colours = colours
        .as_array()
        .unwrap_or_else(|| panic!("the browser says: {colours}"));
    let picture = |colour: &Value| Pictures::COLOURS.iter().position(|known| *colour == *known);
    colours
        .iter()
        .map(|colour| picture(colour).expect("one of the colours"))
        .collect()
}
