//! The pure layers of framecast, under its name.

#[path = "../../src/hub/mod.rs"]
pub mod hub;
#[path = "../../src/site/mod.rs"]
pub mod site;
#[path = "../../src/stream/mod.rs"]
pub mod stream;
#[path = "../../src/text/mod.rs"]
pub mod text;
#[path = "../../src/wire/mod.rs"]
pub mod wire;
