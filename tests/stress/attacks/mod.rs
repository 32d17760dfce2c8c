//! The attacks, each beside a control group that must not notice.

use crate::stand::{Form, Report};

mod clock;
mod descriptors;
mod garbage;
mod hostile;
mod logs;
mod malformed;
mod resets;
mod shutdown;
mod slowloris;
mod soak;
mod stalled;
mod stopped;

pub use soak::soak;

/// What an attack is called, what it is, and how it is made.
pub struct Attack {
    pub name: &'static str,
    pub what: &'static str,
    pub make: fn(Form, &mut Report),
}

/// All of them.
pub const ATTACKS: [Attack; 13] = [
    Attack {
        name: "slowloris",
        what: "requests that never end",
        make: slowloris::attack,
    },
    Attack {
        name: "stalled",
        what: "viewers that do not read, or hardly",
        make: stalled::attack,
    },
    Attack {
        name: "resets",
        what: "connections reset at every moment",
        make: resets::attack,
    },
    Attack {
        name: "descriptors",
        what: "descriptors run out",
        make: descriptors::attack,
    },
    Attack {
        name: "malformed",
        what: "malformed requests, whole and in pieces",
        make: malformed::attack,
    },
    Attack {
        name: "garbage-jpegs",
        what: "garbage between a camera's JPEGs",
        make: garbage::among_jpegs,
    },
    Attack {
        name: "garbage-parts",
        what: "garbage between a camera's parts",
        make: garbage::among_parts,
    },
    Attack {
        name: "hostile",
        what: "drivers whose output is costly to decode",
        make: hostile::attack,
    },
    Attack {
        name: "logs",
        what: "a log that nobody reads, or that is closed",
        make: logs::attack,
    },
    Attack {
        name: "stopped",
        what: "the server stopped and continued",
        make: stopped::attack,
    },
    Attack {
        name: "clock",
        what: "the clock a year off",
        make: clock::attack,
    },
    Attack {
        name: "shutdown",
        what: "the end, with viewers and some that never read",
        make: shutdown::attack,
    },
    Attack {
        name: "soak",
        what: "a short soak",
        make: soak::short,
    },
];
