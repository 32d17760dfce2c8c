//! The controls of a camera, such as brightness and exposure, by name.

use std::fmt;

/// A control with an integer value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Its V4L2 control ID.
    pub id: u32,
    /// Its name on the command line: see [`control_name`].
    pub name: String,
    /// The minimum value.
    pub minimum: i32,
    /// The maximum value.
    pub maximum: i32,
}

impl Control {
    /// The value as the device expects it, if it is in range.
    pub fn value(&self, value: i64) -> Option<i32> {
        i32::try_from(value)
            .ok()
            .filter(|value| (self.minimum..=self.maximum).contains(value))
    }
}

/// `brightness (0 to 255)`.
impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} ({} to {})", self.name, self.minimum, self.maximum)
    }
}

/// Controls whose names differ between versions of the kernel and between drivers, with their IDs
/// (`v4l2-controls.h`).
const RENAMED: [(&str, u32); 20] = [
    ("white_balance_temperature_auto", 0x0098_090c),
    ("white_balance_automatic", 0x0098_090c),
    ("auto_white_balance", 0x0098_090c),
    ("gain_auto", 0x0098_0912),
    ("gain_automatic", 0x0098_0912),
    ("autogain", 0x0098_0912),
    ("hue_auto", 0x0098_0919),
    ("hue_automatic", 0x0098_0919),
    ("exposure_auto", 0x009a_0901),
    ("auto_exposure", 0x009a_0901),
    ("exposure_absolute", EXPOSURE),
    ("exposure_time_absolute", EXPOSURE),
    ("exposure_auto_priority", 0x009a_0903),
    ("exposure_dynamic_framerate", 0x009a_0903),
    ("focus_auto", 0x009a_090c),
    ("focus_automatic_continuous", 0x009a_090c),
    ("autofocus", 0x009a_090c),
    ("auto_brightness", 0x0098_0920),
    ("brightness_automatic", 0x0098_0920),
    ("white_balance_component_auto", 0x0098_090c),
];

/// The ID of the exposure time, whose unit is 100 microseconds.
const EXPOSURE: u32 = 0x009a_0902;

/// Finds the control called `name`, or the one that has this name in another version of the kernel.
pub fn find<'a>(controls: &'a [Control], name: &str) -> Option<&'a Control> {
    let id = || {
        RENAMED
            .iter()
            .find(|(renamed, _)| *renamed == name)
            .map(|(_, id)| *id)
    };
    let named = controls.iter().find(|control| control.name == name);
    named.or_else(|| controls.iter().find(|control| Some(control.id) == id()))
}

/// The maximum frame rate at this exposure time; `None` for any other control.
pub(super) fn rate_limit(name: &str, value: i64) -> Option<f64> {
    let is_exposure = RENAMED.contains(&(name, EXPOSURE));
    (is_exposure && value > 0).then(|| 10_000.0 / value as f64)
}

/// The name of a control as in `v4l2-ctl`: "Exposure, Auto" becomes `exposure_auto`.
pub fn control_name(name: &str) -> String {
    let words = name
        .split(|character: char| !character.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    words
        .map(str::to_ascii_lowercase)
        .collect::<Vec<_>>()
        .join("_")
}
