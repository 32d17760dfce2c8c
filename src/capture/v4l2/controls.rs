//! A camera's controls: brightness, exposure and what else its driver knows, by their names.

use std::fmt;

/// A control that takes a whole number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// V4L2's number for it.
    pub id: u32,
    /// Its name as it is written on the command line: see [`spell`].
    pub name: String,
    /// The least value.
    pub minimum: i32,
    /// The greatest value.
    pub maximum: i32,
}

impl Control {
    /// The value as the device takes it, if it is in range.
    pub fn value(&self, value: i64) -> Option<i32> {
        i32::try_from(value).ok().filter(|value| (self.minimum..=self.maximum).contains(value))
    }
}

/// `brightness (0 to 255)`.
impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} ({} to {})", self.name, self.minimum, self.maximum)
    }
}

/// A control's name as `v4l2-ctl` spells it: what the driver calls "Exposure, Auto" is `exposure_auto`.
pub fn spell(name: &str) -> String {
    let words = name.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_")
}

/// Whether a control can be called `name`.
pub fn is_spelled(name: &str) -> bool {
    !name.is_empty() && spell(name) == name
}
