//! A page that was opened with a token in its address: what it links to must be asked for with the same.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The attributes of a page of ours that hold an address.
const ATTRIBUTES: [&str; 2] = ["href=\"", "src=\""];

/// `page` with `token` in each of its links, which are all relative.
pub fn carry_on(page: &str, token: &str) -> String {
    // Everything but letters and digits is escaped, so nothing in it can end the attribute.
    let parameter = format!("token={}", utf8_percent_encode(token, NON_ALPHANUMERIC));
    ATTRIBUTES.iter().fold(page.to_owned(), |page, attribute| {
        let mut pieces = page.split(attribute);
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |done, piece| {
            let (address, rest) = piece.split_once('"').unwrap_or((piece, ""));
            let mark = if address.contains('?') { "&amp;" } else { "?" };
            done + attribute + address + mark + &parameter + "\"" + rest
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::assets::VIEWER;

    #[test]
    fn every_link_of_a_page_carries_the_token_on() {
        let page = carry_on("<a href=\"./\"><img src=\"video_feed\" alt=\"x\"></a>", "a\"b~");
        assert_eq!(page, "<a href=\"./?token=a%22b%7E\"><img src=\"video_feed?token=a%22b%7E\" alt=\"x\"></a>");
        let linked = carry_on("<a href=\"table?rows=9\">", "abc");
        assert_eq!(linked, "<a href=\"table?rows=9&amp;token=abc\">");
        let viewer = carry_on(VIEWER.body, "abc");
        let links = viewer.matches("href=\"").count() + viewer.matches("src=\"").count();
        assert_eq!(viewer.matches("?token=abc\"").count(), links);
        assert!(!VIEWER.body.contains("href=\"http"), "no address has a host");
    }
}
