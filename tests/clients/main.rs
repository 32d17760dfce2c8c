//! Other people's programs, at every address by which they know such a server.
//!
//! Each must show that it saw the camera move: the pixels of what it decoded are looked at. The
//! programs themselves (`--ignored`) are installed by `tests/all.sh`; what those send that cannot
//! be installed, and how they read the answer, is replayed by `replays`, which needs nothing.
//! `--nocapture` prints what each client saw.

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
