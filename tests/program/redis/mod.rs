//! Frames through Redis: the program on both sides, with a real or a simulated Redis between them.

mod addresses;
mod channel;
mod fake;
mod list;
mod outages;
mod server;
mod watcher;
