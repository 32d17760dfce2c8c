//! The cases: the crowds of viewers that both servers serve, and what each case measures.

use std::fmt;

use framecast::bench::Plan;

/// One crowd of viewers and the stream it receives.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Viewers that read at full speed.
    pub(crate) viewers: usize,
    /// Additional viewers that read [`SLOW_BYTES_PER_SECOND`].
    pub(crate) slow: usize,
    /// Additional viewers that join each second and leave one second later.
    pub(crate) churn: usize,
    /// Bytes of each picture.
    pub(crate) bytes: usize,
    /// Frames per second.
    pub(crate) fps: f64,
}

/// A named list of loads.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What the case measures.
    pub(crate) about: &'static str,
    pub(crate) loads: &'static [Load],
}

/// Read rate of a slow viewer: one ninth of 15,000 bytes at 30 fps.
const SLOW_BYTES_PER_SECOND: usize = 50_000;

/// The base of the other loads.
const BASE: Load = Load {
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
        about: "1,000 viewers at 30 fps",
        loads: &[BASE],
    },
    Case {
        name: "3000",
        about: "3,000 viewers at 30 fps, near the capacity of one core",
        loads: &[large_crowd(3000, 30.0)],
    },
    Case {
        name: "large",
        about: "frames larger than a socket's send buffer",
        loads: &[Load {
            viewers: 300,
            bytes: 84_000,
            ..BASE
        }],
    },
    Case {
        name: "9000",
        about: "9,000 viewers at 5 fps",
        loads: &[large_crowd(9000, 5.0)],
    },
    Case {
        name: "18000",
        about: "18,000 viewers at 1 fps: each frame is one long burst",
        loads: &[large_crowd(18_000, 1.0)],
    },
    Case {
        name: "slow",
        about: "100 viewers alone, and beside 900 on slow links",
        loads: &[
            Load {
                viewers: 100,
                ..BASE
            },
            Load {
                viewers: 100,
                slow: 900,
                ..BASE
            },
        ],
    },
    // The bare loop serves viewers in the order in which they joined, so its 200 are always ahead
    // of the short-lived ones. framecast starts each turn at another connection. This favors the
    // bare loop's latency.
    Case {
        name: "churn",
        about: "200 viewers beside 2,000 joins and leaves per second",
        loads: &[Load {
            viewers: 200,
            churn: 2000,
            fps: 10.0,
            ..BASE
        }],
    },
    Case {
        name: "growth",
        about: "300 to 9,000 viewers, always 27,000 deliveries per second",
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
        ..BASE
    }
}

impl Load {
    /// Returns the plan of the crowd; the caller sets its URL.
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
                " beside {} that read {SLOW_BYTES_PER_SECOND} bytes per second",
                self.slow
            )?;
        }
        if self.churn > 0 {
            write!(out, " beside {} joins and leaves per second", self.churn)?;
        }
        write!(out, ", {} bytes, {} fps", self.bytes, self.fps)
    }
}

/// Finds a case by its name.
pub(crate) fn find(name: &str) -> Result<&'static Case, String> {
    CASES.iter().find(|case| case.name == name).ok_or_else(|| {
        let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        format!("unknown case; expected one of {}", names.join(", "))
    })
}
