//! The V4L2 driver with a fake camera.

mod camera;
mod driver;
mod faults;
#[path = "../../../src/drivers/v4l2/format.rs"]
#[allow(dead_code, reason = "the driver uses more of it")]
mod format;
mod signal;
