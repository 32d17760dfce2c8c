//! The same pictures as for the decoders.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test program uses its own part of this"
)]

#[path = "../wire_media/pictures.rs"]
mod shared;

pub(crate) use shared::*;
