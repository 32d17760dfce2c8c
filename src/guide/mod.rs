//! The user's guide: one Markdown page a module.
//!
//! Start with [`quick_start`]. `framecast help TOPIC` prints the same pages in a terminal, where
//! TOPIC is the file name of a page without `.md`, such as `quick-start`.
//!
//! [`PAGES`] holds the text of all pages, in reading order.

/// A page of the guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The file name without `.md`, such as `quick-start`.
    pub name: &'static str,
    /// The whole Markdown file: a title, paragraphs, and the targets of its links to other pages.
    pub text: &'static str,
}

impl Page {
    /// Returns the page with this name.
    pub fn find(name: &str) -> Option<&'static Page> {
        PAGES.iter().find(|page| page.name == name)
    }

    /// Returns the title, without Markdown.
    pub fn title(&self) -> &'static str {
        self.text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("# ")
    }

    /// Returns the Markdown between the title and the targets of the links.
    pub fn body(&self) -> &'static str {
        let (_, body) = self.text.split_once('\n').unwrap_or_default();
        let body = body.trim();
        // The targets are the last paragraph: lines such as `[cameras]: cameras.md`.
        match body.rsplit_once("\n\n") {
            Some((body, targets)) if targets.starts_with('[') => body.trim_end(),
            _ => body,
        }
    }
}

/// Declares a module for each page, and the list of all pages.
///
/// Pages link to each other by reference, as in `[Cameras][cameras]`. A page ends with the targets
/// that are right where Git hosts show it (`cameras.md`). The targets that are right in rustdoc
/// stand before its text here, because the first of two targets with the same name counts. Rustdoc
/// resolves them in the scope of the first line, which is this module's.
macro_rules! pages {
    ($($module:ident: $file:literal, $summary:literal;)*) => {
        $(
            #[doc = $summary]
            pub mod $module {
                #![doc = ""]
                #![doc = "[quick-start]: self::quick_start"]
                #![doc = "[cameras]: self::cameras"]
                #![doc = "[addresses]: self::addresses"]
                #![doc = "[clients]: self::clients"]
                #![doc = "[access-control]: self::access_control"]
                #![doc = "[install]: self::install"]
                #![doc = "[options]: self::options"]
                #![doc = "[redis]: self::redis"]
                #![doc = "[capacity]: self::capacity"]
                #![doc = "[limits]: self::limits"]
                #![doc = "[metrics]: self::metrics"]
                #![doc = "[troubleshooting]: self::troubleshooting"]
                #![doc = "[reading]: self::reading"]
                #![doc = "[exercises]: self::exercises"]
                #![doc = ""]
                #![doc = include_str!(concat!($file, ".md"))]
            }
        )*

        /// All pages, in reading order.
        pub const PAGES: &[Page] = &[
            $(Page { name: $file, text: include_str!(concat!($file, ".md")) },)*
        ];
    };
}

pages! {
    quick_start: "quick-start", "The first picture, and recipes for common set-ups.";
    cameras: "cameras", "The sources a camera can have, their parameters, and what happens when one fails.";
    addresses: "addresses", "Each HTTP endpoint and its parameters.";
    clients: "clients", "The settings for OctoPrint, Home Assistant, VLC and other clients.";
    access_control: "access-control", "Passwords, tokens, links for friends, origins and proxies.";
    install: "install", "TLS, packages, services, containers, signals and restarts.";
    options: "options", "Each option with its default and its environment variable.";
    redis: "redis", "One camera on many machines, by Redis or by servers in a tree.";
    capacity: "capacity", "The number of viewers that a server, a link and a tree of servers carry.";
    limits: "limits", "Each limit, its default, and what happens at it.";
    metrics: "metrics", "The metrics for Prometheus and the fields of the JSON.";
    troubleshooting: "troubleshooting", "Each message of the program, with its cause and its remedy.";
    reading: "reading", "A way through the source code.";
    exercises: "exercises", "Faults to put into the code, and what then breaks.";
}

#[cfg(all(test, feature = "server"))]
mod tests;
