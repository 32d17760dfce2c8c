//! framecast shows live cameras to any number of browsers from one thread.

pub mod bench;
pub mod capture;
pub mod logging;
pub mod options;
pub mod server;
pub mod site;
pub mod stream;
pub mod wire;
