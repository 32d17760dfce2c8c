//! What a test may ask of either browser.

use serde_json::Value;

use crate::driver::Driver;
use crate::firefox::Firefox;

/// A Chromium or a Firefox.
#[allow(dead_code, reason = "each test program uses its own part of this")]
pub(crate) trait Browser {
    /// Shows the page at `url` and returns once it is loaded.
    fn go(&mut self, url: &str);

    /// Runs the body of a function whose last argument is to be called with the result.
    fn run_async(&mut self, script: &str, arguments: Value) -> Value;

    /// Sends commands to a frame of the page, from 0, or to the page again.
    fn switch_to_frame(&mut self, frame: Option<usize>);
}

impl Browser for Driver {
    fn go(&mut self, url: &str) {
        Driver::go(self, url);
    }

    fn run_async(&mut self, script: &str, arguments: Value) -> Value {
        Driver::run_async(self, script, arguments)
    }

    fn switch_to_frame(&mut self, frame: Option<usize>) {
        Driver::switch_to_frame(self, frame);
    }
}

impl Browser for Firefox {
    fn go(&mut self, url: &str) {
        Firefox::go(self, url);
    }

    fn run_async(&mut self, script: &str, arguments: Value) -> Value {
        Firefox::run_async(self, script, arguments)
    }

    fn switch_to_frame(&mut self, frame: Option<usize>) {
        Firefox::switch_to_frame(self, frame);
    }
}
