//! Untrusted text: escaping for terminals, logs and responses, and Unicode normalization.

use std::borrow::Cow;
use std::fmt::{self, Write};

use icu_normalizer::ComposingNormalizerBorrowed;

/// Converts `text` to Normalization Form C (Unicode Standard Annex 15), so that equal letters
/// compare equal: most keyboards write `é` as one character, file names of macOS as two.
pub fn to_nfc(text: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

/// Text whose `Display` escapes control characters and characters that reorder text, so that it can
/// neither end a line nor control a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<T>(pub T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);
        impl Write for Escape<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                text.chars().try_for_each(|letter| {
                    if letter.is_control() || reorders(letter) {
                        write!(self.0, "{}", letter.escape_default())
                    } else {
                        self.0.write_char(letter)
                    }
                })
            }
        }
        write!(Escape(f), "{}", self.0)
    }
}

/// Whether a character changes the direction of the text behind it (Unicode Standard Annex 9, table
/// 4).
fn reorders(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        for (text, shown) in [
            ("plain, Küche ✓", "plain, Küche ✓"),
            ("\x1b[31mred\x07", "\\u{1b}[31mred\\u{7}"),
            ("two\r\nlines\t\0", "two\\r\\nlines\\t\\u{0}"),
            (
                "C1 \u{9b}2J, reversed \u{202e}gpj",
                "C1 \\u{9b}2J, reversed \\u{202e}gpj",
            ),
        ] {
            assert_eq!(Escaped(text).to_string(), shown);
        }
    }
}
