//! Frames through Redis: the real program on both sides, and a real Redis between them where a test
//! needs one.

mod addresses;
mod channel;
mod fake;
mod list;
mod outages;
mod server;
mod watcher;
