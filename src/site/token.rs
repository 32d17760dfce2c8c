//! A page that was opened with a token in its address: what it links to must be asked for with the
//! same.

use std::borrow::Cow;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::auth::Scope;

/// What precedes an address in a file of ours: in a page, in a script that imports another, and in
/// the manifest.
const MARKS: [&str; 5] = [
    "href=\"",
    "src=\"",
    "from \"",
    "\"src\": \"",
    "\"start_url\": \"",
];

/// A longer token is not carried on: a secret has at most 256 bytes, and a signed token holds the
/// name of a camera, at most 60 characters of any script with each byte escaped, besides its
/// signature.
const CARRIED_BYTES_MAX: usize = 1024;

/// The link to the page of the loop, which shows the connections of all cameras.
const LOOP_LINK: &str = "    <a href=\"loop\">The loop</a>\n";

/// `text` with `token` in each of its addresses, which are all relative. In the scope of one
/// camera, it has no link to the page that this scope does not cover.
pub fn carry_on(text: &str, token: &str, scope: Scope) -> String {
    let text = match scope {
        Scope::Everything => Cow::Borrowed(text),
        Scope::Camera(_) => Cow::Owned(text.replace(LOOP_LINK, "")),
    };
    if token.len() > CARRIED_BYTES_MAX {
        return text.into_owned();
    }
    // Everything but letters and digits is escaped, so nothing in it can end the address.
    let parameter = format!("token={}", utf8_percent_encode(token, NON_ALPHANUMERIC));
    MARKS.iter().fold(text.into_owned(), |text, mark| {
        let mut pieces = text.split(mark);
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |done, piece| {
            let (address, rest) = piece.split_once('"').unwrap_or((piece, ""));
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
    fn token_longer_than_any_real_one_is_not_carried_on() {
        let link = "<a href=\"./\">";
        assert_ne!(
            carry_on(link, &"a".repeat(CARRIED_BYTES_MAX), Scope::Everything),
            link
        );
        assert_eq!(
            carry_on(link, &"a".repeat(CARRIED_BYTES_MAX + 1), Scope::Everything),
            link
        );
    }

    #[test]
    fn every_link_of_a_page_carries_the_token_on() {
        let page = carry_on(
            "<a href=\"./\"><img src=\"video_feed\" alt=\"x\"></a>",
            "a\"b~",
            Scope::Everything,
        );
        assert_eq!(
            page,
            "<a href=\"./?token=a%22b%7E\"><img src=\"video_feed?token=a%22b%7E\" alt=\"x\"></a>"
        );
        let linked = carry_on("<a href=\"table?rows=9\">", "abc", Scope::Everything);
        assert_eq!(linked, "<a href=\"table?rows=9&amp;token=abc\">");
        let page = VIEWER.linking_text().unwrap();
        let viewer = carry_on(page, "abc", Scope::Everything);
        let links = viewer.matches("href=\"").count() + viewer.matches("src=\"").count();
        assert_eq!(viewer.matches("?token=abc\"").count(), links);
        assert!(!page.contains("href=\"http"), "no address has a host");
        let narrow = carry_on(page, "abc", Scope::Camera(0));
        assert!(viewer.contains("href=\"loop?") && !narrow.contains("href=\"loop"));
        assert_eq!(narrow.matches("?token=abc\"").count(), links - 1);
    }

    #[test]
    fn imports_and_icons_carry_the_token_on() {
        let script = carry_on(
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
            serde_json::from_str(&carry_on(manifest, "a\"b", Scope::Everything)).unwrap();
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
