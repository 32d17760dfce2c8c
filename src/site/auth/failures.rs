//! How often a household has been wrong: who guesses is made to wait.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::stream::Household;

/// Wrong credentials that a household may send within the window.
pub const FAILURES_MAX: u32 = 10;

/// The window begins with the first of them.
const WINDOW: Duration = Duration::from_secs(60);

/// Households that are remembered. Past it the one whose window began first is forgotten: whoever has that many
/// networks at hand is not stopped by counting.
pub const HOUSEHOLDS_MAX: usize = 4096;

/// The households that were wrong within the window.
#[derive(Debug, Default)]
pub struct Failures {
    windows: BTreeMap<Household, Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Instant,
    failures: u32,
}

impl Failures {
    /// Counts one.
    pub fn count(&mut self, household: Household, now: Instant) {
        if !self.windows.contains_key(&household) {
            self.make_room(now);
        }
        let window = self.windows.entry(household).or_insert(Window { began: now, failures: 0 });
        if now >= window.began + WINDOW {
            *window = Window { began: now, failures: 0 };
        }
        window.failures += 1;
    }

    /// Households that are remembered.
    pub fn households(&self) -> usize {
        self.windows.len()
    }

    /// Failures of a household in its window.
    pub fn of(&self, household: Household, now: Instant) -> u32 {
        self.window(household, now).map_or(0, |window| window.failures)
    }

    /// For how long a household is not listened to, if so.
    pub fn blocked_for(&self, household: Household, now: Instant) -> Option<Duration> {
        let window = self.window(household, now).filter(|window| window.failures >= FAILURES_MAX)?;
        Some(window.began + WINDOW - now)
    }

    fn window(&self, household: Household, now: Instant) -> Option<&Window> {
        self.windows.get(&household).filter(|window| now < window.began + WINDOW)
    }

    fn make_room(&mut self, now: Instant) {
        if self.windows.len() < HOUSEHOLDS_MAX {
            return;
        }
        self.windows.retain(|_, window| now < window.began + WINDOW);
        if self.windows.len() >= HOUSEHOLDS_MAX {
            let oldest = self.windows.iter().min_by_key(|(_, window)| window.began).map(|(&household, _)| household);
            oldest.and_then(|oldest| self.windows.remove(&oldest));
        }
    }
}
