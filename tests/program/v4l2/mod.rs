//! Cameras: what is taken of what they offer, what becomes of their pictures, and the whole driver
//! on a camera made of software.

mod camera;
mod driver;
mod faults;
#[path = "../../../src/drivers/v4l2/format.rs"]
#[allow(dead_code, reason = "the driver uses more of it")]
mod format;
mod signal;
