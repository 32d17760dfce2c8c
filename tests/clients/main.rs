//! Browsers, players and other clients, at every address of a stream.
//!
//! Each client must show moving pictures: the tests check the pixels that it decoded.
//! `tests/all.sh` installs the clients for the ignored tests. `replays` needs no client: it sends
//! the requests of clients that cannot be installed and reads the responses as they do.
//! `--nocapture` prints what each client received.

mod browser;
mod browsers;
mod clips;
mod driver;
mod either;
mod firefox;
mod libraries;
mod matrix;
mod neighbours;
mod pictures;
mod players;
mod replays;
mod screen;

#[path = "../support/mod.rs"]
mod support;
