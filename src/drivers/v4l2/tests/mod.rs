//! Cameras: which of their modes is chosen, and what becomes of their pictures.

mod offers;
mod pack;
mod raw;
mod words;

use super::color::{Colors, Matrix};
use super::format::PixelFormat;
