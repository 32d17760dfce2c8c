//! Cameras: what is taken of what they offer, what becomes of their pictures, and the whole driver
//! on a camera made of software.

mod camera;
mod driver;
mod faults;
mod signal;
