//! The pure layers of framecast, under its name.

#[path = "../../src/stream/mod.rs"]
pub mod stream;
#[path = "../../src/wire/mod.rs"]
pub mod wire;

/// Of what is answered, the bodies that are made as they are sent: they are half of what the heart does with them.
#[path = "."]
pub mod site {
    #[path = "../../src/site/clip.rs"]
    pub mod clip;
    #[path = "../../src/site/events.rs"]
    pub mod events;
    #[path = "../../src/site/table.rs"]
    pub mod table;
    #[path = "../../src/site/token.rs"]
    pub mod token;
}
