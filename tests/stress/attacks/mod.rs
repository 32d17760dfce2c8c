//! The attacks. Each runs beside a control group that must not be affected.

use crate::fixture::{Form, Report};

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

/// An attack: name, description, function.
pub struct Attack {
    pub name: &'static str,
    pub what: &'static str,
    pub run: fn(Form, &mut Report),
}

/// All attacks.
pub const ATTACKS: [Attack; 13] = [
    Attack {
        name: "slowloris",
        what: "requests that never end",
        run: slowloris::attack,
    },
    Attack {
        name: "stalled",
        what: "viewers that never read, or slowly",
        run: stalled::attack,
    },
    Attack {
        name: "resets",
        what: "connections reset at every moment",
        run: resets::attack,
    },
    Attack {
        name: "descriptors",
        what: "descriptors run out",
        run: descriptors::attack,
    },
    Attack {
        name: "malformed",
        what: "malformed requests, whole and in pieces",
        run: malformed::attack,
    },
    Attack {
        name: "garbage-jpegs",
        what: "garbage between a camera's JPEGs",
        run: garbage::among_jpegs,
    },
    Attack {
        name: "garbage-parts",
        what: "garbage between a camera's parts",
        run: garbage::among_parts,
    },
    Attack {
        name: "hostile",
        what: "drivers whose output is expensive to decode",
        run: hostile::attack,
    },
    Attack {
        name: "logs",
        what: "stderr that is full or closed",
        run: logs::attack,
    },
    Attack {
        name: "stopped",
        what: "SIGSTOP and SIGCONT",
        run: stopped::attack,
    },
    Attack {
        name: "clock",
        what: "the clock set by a year",
        run: clock::attack,
    },
    Attack {
        name: "shutdown",
        what: "SIGTERM with viewers, some of which never read",
        run: shutdown::attack,
    },
    Attack {
        name: "soak",
        what: "a short soak",
        run: soak::short,
    },
];
