//! Frames out of bytes: JPEGs made by a real encoder, streams as real drivers and cameras write
//! them, cut anywhere.

mod arbitrary;
mod check;
#[allow(
    clippy::duplicate_mod,
    reason = "the oracles feed their decoders alike"
)]
mod feed;
mod http;
mod parts;
mod pictures;
mod recovery;
mod repair;
mod requests;
mod sources;
mod splitter;
mod thumbnails;
