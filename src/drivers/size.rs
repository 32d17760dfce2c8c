//! The parameter `size`: the size of pictures.

use std::fmt;
use std::str::FromStr;

const SIDE_PIXELS_MIN: u16 = 16;
const SIDE_PIXELS_MAX: u16 = 8192;

/// `WIDTHxHEIGHT`, each from 16 to 8192 pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The width in pixels.
    pub width: u16,
    /// The height in pixels.
    pub height: u16,
}

impl Size {
    /// The valid values, for error messages.
    pub(crate) fn expected() -> String {
        format!("WIDTHxHEIGHT, each from {SIDE_PIXELS_MIN} to {SIDE_PIXELS_MAX}, such as 1280x720")
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |text: &str| {
            text.parse()
                .ok()
                .filter(|side| (SIDE_PIXELS_MIN..=SIDE_PIXELS_MAX).contains(side))
        };
        let sides = text
            .split_once('x')
            .and_then(|(width, height)| side(width).zip(side(height)));
        sides
            .map(|(width, height)| Self { width, height })
            .ok_or_else(Self::expected)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}
