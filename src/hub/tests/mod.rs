//! Unit tests of the hub: bytes in, bytes out, and a clock that the test moves.

mod deadlines;
mod history;
mod peer;
mod permits;
mod queue;
mod readers;
mod requests;
mod viewers;
