//! Other people's programs, at every address by which they know such a server.
//!
//! Each must show that it saw the camera move: the pixels of what it decoded are looked at. The
//! programs themselves (`--ignored`) are installed by `tests/all.sh`; what those send that cannot
//! be installed, and how they read the answer, is replayed by `replays`, which needs nothing.
//! `--nocapture` prints what each client saw.

mod browsers;
mod clips;
mod libraries;
mod matrix;
mod neighbours;
mod players;
mod replays;
mod screen;

#[path = "../browser/driver.rs"]
#[allow(dead_code, reason = "each test program uses its own part of this")]
mod driver;
#[path = "../browser/either.rs"]
mod either;
#[path = "../browser/firefox.rs"]
#[allow(dead_code, reason = "each test program uses its own part of this")]
mod firefox;
#[path = "../browser/pictures.rs"]
#[allow(dead_code, reason = "each test program uses its own part of this")]
mod pictures;
#[path = "../support/mod.rs"]
mod support;
