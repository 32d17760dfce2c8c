//! The files of the pages, built into the program.

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const MANIFEST: &str = "application/manifest+json";
const PNG: &str = "image/png";

/// One file.
#[derive(Debug)]
pub struct Asset {
    /// Its path in a URL.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// Its content.
    pub body: &'static [u8],
}

impl Asset {
    /// Returns its text if it may link to other files: that of a page, a script or a manifest.
    pub fn linking_text(&self) -> Option<&'static str> {
        let links = [HTML, SCRIPT, MANIFEST].contains(&self.content_type);
        links.then(|| std::str::from_utf8(self.body).ok()).flatten()
    }
}

macro_rules! asset {
    ($path:literal, $content_type:expr, $file:literal) => {
        Asset {
            path: $path,
            content_type: $content_type,
            body: include_bytes!(concat!("static/", $file)),
        }
    };
}

/// The viewer page.
pub static VIEWER: Asset = asset!("/", HTML, "index.html");

static OTHERS: [Asset; 21] = [
    asset!("/loop", HTML, "loop.html"),
    asset!("/page.css", CSS, "page.css"),
    asset!("/viewer.css", CSS, "viewer.css"),
    asset!("/loop.css", CSS, "loop.css"),
    asset!("/table.css", CSS, "table.css"),
    asset!("/page.js", SCRIPT, "page.js"),
    asset!("/viewer.js", SCRIPT, "viewer.js"),
    asset!("/camera.js", SCRIPT, "camera.js"),
    asset!("/status.js", SCRIPT, "status.js"),
    asset!("/view.js", SCRIPT, "view.js"),
    asset!("/save.js", SCRIPT, "save.js"),
    asset!("/pip.js", SCRIPT, "pip.js"),
    asset!("/ticks.js", SCRIPT, "ticks.js"),
    asset!("/keys.js", SCRIPT, "keys.js"),
    asset!("/loop.js", SCRIPT, "loop.js"),
    asset!("/manifest.webmanifest", MANIFEST, "manifest.webmanifest"),
    asset!("/favicon.svg", "image/svg+xml", "favicon.svg"),
    asset!("/favicon.ico", "image/x-icon", "favicon.ico"),
    asset!("/apple-touch-icon.png", PNG, "apple-touch-icon.png"),
    asset!("/icon-192.png", PNG, "icon-192.png"),
    asset!("/icon-512.png", PNG, "icon-512.png"),
];

/// Returns the file at `path`, unless that is the viewer page.
pub fn find(path: &str) -> Option<&'static Asset> {
    OTHERS.iter().find(|asset| asset.path == path)
}
