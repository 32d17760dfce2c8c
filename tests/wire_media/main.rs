//! Frames out of bytes: JPEGs made by a real encoder, streams as real drivers and cameras write
//! them, cut anywhere.

mod arbitrary;
mod check;
mod feed;
mod parts;
mod pictures;
mod recovery;
mod repair;
mod sources;
mod splitter;
mod thumbnails;
