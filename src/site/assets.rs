//! The pages and what they need, built into the program.

/// One file.
#[derive(Debug)]
pub struct Asset {
    /// The address it is served under.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// All of it.
    pub body: &'static str,
}

impl Asset {
    /// Whether it is a page, with links to others.
    pub fn is_page(&self) -> bool {
        self.content_type.starts_with("text/html")
    }
}

/// The page itself.
pub static VIEWER: Asset =
    Asset { path: "/", content_type: "text/html; charset=utf-8", body: include_str!("static/index.html") };

static OTHERS: [Asset; 7] = [
    Asset { path: "/loop", content_type: "text/html; charset=utf-8", body: include_str!("static/loop.html") },
    Asset { path: "/loop.css", content_type: "text/css; charset=utf-8", body: include_str!("static/loop.css") },
    Asset { path: "/loop.js", content_type: "text/javascript; charset=utf-8", body: include_str!("static/loop.js") },
    Asset { path: "/table.css", content_type: "text/css; charset=utf-8", body: include_str!("static/table.css") },
    Asset { path: "/favicon.svg", content_type: "image/svg+xml", body: include_str!("static/favicon.svg") },
    Asset { path: "/viewer.css", content_type: "text/css; charset=utf-8", body: include_str!("static/viewer.css") },
    Asset {
        path: "/viewer.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_str!("static/viewer.js"),
    },
];

/// What stands at `path`, other than that page.
pub fn find(path: &str) -> Option<&'static Asset> {
    OTHERS.iter().find(|asset| asset.path == path)
}
