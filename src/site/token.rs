//! Tokens in links: a page that was opened with `?token=` must use the same token in its links.

use std::borrow::Cow;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::auth::Scope;

/// The text before a link in the files: of pages, of scripts that import others, of the manifest.
const MARKS: [&str; 5] = [
    "href=\"",
    "src=\"",
    "from \"",
    "\"src\": \"",
    "\"start_url\": \"",
];

/// Limit of a token in links. The longest valid one is a signed token with a camera name of 60
/// characters, each of them up to 4 escaped bytes; a secret has at most 256 bytes.
const TOKEN_BYTES_MAX: usize = 1024;

/// The link to the page of the event loop, which shows the connections of all cameras.
const LOOP_LINK: &str = "    <a href=\"loop\">Event loop</a>\n";

/// Returns `text` with `token` in each of its links, which are all relative. For the scope of one
/// camera, removes the link to the page that this scope does not cover.
pub fn add_to_links(text: &str, token: &str, scope: Scope) -> String {
    let text = match scope {
        Scope::Everything => Cow::Borrowed(text),
        Scope::Camera(_) => Cow::Owned(text.replace(LOOP_LINK, "")),
    };
    if token.len() > TOKEN_BYTES_MAX {
        return text.into_owned();
    }
    // Everything but letters and digits is escaped, so the token cannot end the attribute.
    let parameter = format!("token={}", utf8_percent_encode(token, NON_ALPHANUMERIC));
    MARKS.iter().fold(text.into_owned(), |text, mark| {
        let mut parts = text.split(mark);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |done, part| {
            let (address, rest) = part.split_once('"').unwrap_or((part, ""));
            let separator = if address.contains('?') { "&amp;" } else { "?" };
            done + mark + address + separator + &parameter + "\"" + rest
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::assets::{VIEWER, find};

    #[test]
    fn overlong_token_is_not_added_to_links() {
        let link = "<a href=\"./\">";
        assert_ne!(
            add_to_links(link, &"a".repeat(TOKEN_BYTES_MAX), Scope::Everything),
            link
        );
        assert_eq!(
            add_to_links(link, &"a".repeat(TOKEN_BYTES_MAX + 1), Scope::Everything),
            link
        );
    }

    #[test]
    fn token_is_added_to_every_link_of_a_page() {
        let page = add_to_links(
            "<a href=\"./\"><img src=\"video_feed\" alt=\"x\"></a>",
            "a\"b~",
            Scope::Everything,
        );
        assert_eq!(
            page,
            "<a href=\"./?token=a%22b%7E\"><img src=\"video_feed?token=a%22b%7E\" alt=\"x\"></a>"
        );
        let linked = add_to_links("<a href=\"table?rows=9\">", "abc", Scope::Everything);
        assert_eq!(linked, "<a href=\"table?rows=9&amp;token=abc\">");
        let page = VIEWER.linking_text().unwrap();
        let viewer = add_to_links(page, "abc", Scope::Everything);
        let links = viewer.matches("href=\"").count() + viewer.matches("src=\"").count();
        assert_eq!(viewer.matches("?token=abc\"").count(), links);
        assert!(!page.contains("href=\"http"), "no address has a host");
        let narrow = add_to_links(page, "abc", Scope::Camera(0));
        assert!(viewer.contains("href=\"loop?") && !narrow.contains("href=\"loop"));
        assert_eq!(narrow.matches("?token=abc\"").count(), links - 1);
    }

    #[test]
    fn token_is_added_to_imports_and_icons() {
        let script = add_to_links(
            "import { $ } from \"./page.js\";\nconst x = 'from';",
            "abc",
            Scope::Everything,
        );
        assert_eq!(
            script,
            "import { $ } from \"./page.js?token=abc\";\nconst x = 'from';"
        );
        let manifest = find("/manifest.webmanifest")
            .and_then(|manifest| manifest.linking_text())
            .unwrap();
        let manifest: serde_json::Value =
            serde_json::from_str(&add_to_links(manifest, "a\"b", Scope::Everything)).unwrap();
        assert_eq!(manifest["start_url"], "./?token=a%22b");
        for icon in manifest["icons"].as_array().unwrap() {
            let source = icon["src"]
                .as_str()
                .and_then(|source| source.strip_suffix("?token=a%22b"))
                .unwrap();
            assert!(find(&format!("/{source}")).is_some(), "{source}");
        }
    }

    #[test]
    fn every_import_names_a_file_that_is_served() {
        for path in [
            "/viewer.js",
            "/camera.js",
            "/keys.js",
            "/pip.js",
            "/save.js",
            "/status.js",
            "/view.js",
            "/loop.js",
        ] {
            let script = find(path).and_then(|script| script.linking_text()).unwrap();
            let imports: Vec<_> = script
                .lines()
                .filter(|line| line.starts_with("import "))
                .collect();
            assert!(!imports.is_empty(), "{path}");
            for line in imports {
                let name = line
                    .split_once("from \"./")
                    .and_then(|(_, name)| name.strip_suffix("\";"))
                    .unwrap();
                assert!(find(&format!("/{name}")).is_some(), "{path} imports {name}");
            }
        }
    }
}
