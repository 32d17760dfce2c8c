//! Tests of the pure parts: parameters, choice of the mode, encoding.

mod modes;
mod pack;
mod parameters;
mod raw;

use super::color::{Colors, Matrix};
use super::format::PixelFormat;
