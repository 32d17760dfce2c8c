//! Text from outside: URLs, credentials that must not be shown, and text made safe to print.

pub mod escaped;
pub mod secret;
pub mod url;
