//! The cases: which crowds are put in front of both servers, and what each is to show.

use std::fmt;

use framecast::bench::Plan;

/// One crowd, and what it is shown.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Viewers that read as fast as they can.
    pub(crate) viewers: usize,
    /// Viewers on top behind links of [`SLOW_BYTES_PER_SECOND`].
    pub(crate) slow: usize,
    /// Viewers on top that join each second, each to leave after one.
    pub(crate) churn: usize,
    /// The size of each picture.
    pub(crate) bytes: usize,
    /// Pictures a second.
    pub(crate) fps: f64,
}

/// A named row of loads.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What it is to show.
    pub(crate) about: &'static str,
    pub(crate) loads: &'static [Load],
}

/// What a slow link carries: a ninth of 15,000 bytes 30 times a second.
const SLOW_BYTES_PER_SECOND: usize = 50_000;

/// The load that the others are told from.
const USUAL: Load = Load {
    viewers: 1000,
    slow: 0,
    churn: 0,
    bytes: 15_000,
    fps: 30.0,
};

/// Every case; the first is the default.
pub(crate) const CASES: [Case; 8] = [
    Case {
        name: "1000",
        about: "1,000 viewers of a usual stream",
        loads: &[USUAL],
    },
    Case {
        name: "3000",
        about: "3,000 viewers of it, near what one core can send",
        loads: &[large_crowd(3000, 30.0)],
    },
    Case {
        name: "large",
        about: "pictures that do not fit a socket's buffer at once",
        loads: &[Load {
            viewers: 300,
            bytes: 84_000,
            ..USUAL
        }],
    },
    Case {
        name: "9000",
        about: "9,000 viewers of few frames",
        loads: &[large_crowd(9000, 5.0)],
    },
    Case {
        name: "18000",
        about: "18,000 viewers: a frame is one long burst",
        loads: &[large_crowd(18_000, 1.0)],
    },
    Case {
        name: "slow",
        about: "what 100 viewers notice of 900 others on slow links",
        loads: &[
            Load {
                viewers: 100,
                ..USUAL
            },
            Load {
                viewers: 100,
                slow: 900,
                ..USUAL
            },
        ],
    },
    // The bare loop serves whoever came first first, so its 200 are always ahead of those that pass
    // through; framecast begins each frame with somebody else. Compare their latencies with that in
    // mind.
    Case {
        name: "churn",
        about: "200 viewers beside 2,000 joins and leaves a second",
        loads: &[Load {
            viewers: 200,
            churn: 2000,
            fps: 10.0,
            ..USUAL
        }],
    },
    Case {
        name: "growth",
        about: "more viewers at the same 27,000 deliveries a second",
        loads: &[
            large_crowd(300, 90.0),
            large_crowd(1000, 27.0),
            large_crowd(3000, 9.0),
            large_crowd(9000, 3.0),
        ],
    },
];

const fn large_crowd(viewers: usize, fps: f64) -> Load {
    Load {
        viewers,
        fps,
        ..USUAL
    }
}

impl Load {
    /// The crowd, without the server it is to watch.
    pub(crate) fn plan(&self, seconds: f64) -> Plan {
        Plan {
            slow: self.slow,
            slow_bytes_per_second: SLOW_BYTES_PER_SECOND,
            churn_per_second: self.churn as f64,
            ..Plan::new("", self.viewers, seconds)
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} viewers", self.viewers)?;
        if self.slow > 0 {
            write!(
                out,
                " beside {} on links of {SLOW_BYTES_PER_SECOND} bytes a second",
                self.slow
            )?;
        }
        if self.churn > 0 {
            write!(out, " beside {} joins and leaves a second", self.churn)?;
        }
        write!(out, ", {} bytes, {} fps", self.bytes, self.fps)
    }
}

/// A case by its name.
pub(crate) fn named(name: &str) -> Result<&'static Case, String> {
    CASES.iter().find(|case| case.name == name).ok_or_else(|| {
        let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        format!("there is no such case; the cases are {}", names.join(", "))
    })
}
