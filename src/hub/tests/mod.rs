//! The heart, driven by hand: bytes in, bytes out, and a clock that only moves when it is told to.

mod deadlines;
mod history;
mod peer;
mod permits;
mod queue;
mod readers;
mod requests;
mod viewers;
