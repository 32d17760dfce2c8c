//! framecast shows live cameras to any number of browsers from one thread.

pub mod bench;
pub mod capture;
pub mod wire;
