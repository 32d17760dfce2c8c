//! What only many viewers together can tell: how late pictures come, how far apart, and whether all
//! got the same bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::outcome::{CurvePoint, Quantiles};
use super::parser::{Arrival, Novelty};
use super::viewer::{ByRole, Role};

/// Pictures whose arrivals are still being compared. A viewer further behind than this is compared
/// no more.
const PICTURES_MAX: usize = 1024;

/// A picture that seems later than this, or from the future, was stamped by another clock and says
/// nothing of latency.
const LATENCY_MAX: Duration = Duration::from_secs(3600);

/// Points of a curve of quantiles from one power of ten to the next: from 90 % to 99 %, say.
const CURVE_POINTS_PER_NINE: u32 = 8;

/// Figures over all viewers.
pub(super) struct Ledger {
    pub(super) latency: ByRole<Microseconds>,
    pub(super) first_frame: ByRole<Microseconds>,
    pub(super) mismatched: ByRole<u64>,
    spread: Microseconds,
    pictures: BTreeMap<u64, Picture>,
}

/// One picture as the viewers get it, one after another.
struct Picture {
    checksum: Option<u64>,
    /// Arrivals at steady viewers that watched already when the picture was published.
    steady: Option<Interval>,
}

struct Interval {
    first: Duration,
    last: Duration,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            latency: ByRole::default(),
            first_frame: ByRole::default(),
            mismatched: ByRole::default(),
            spread: Microseconds::default(),
            pictures: BTreeMap::new(),
        }
    }

    /// Begins the figures anew, but for how long joining took: that happens before they are
    /// counted.
    pub(super) fn reset(&mut self) {
        let first_frame = std::mem::take(&mut self.first_frame);
        *self = Self {
            first_frame,
            ..Self::new()
        };
    }

    /// Notes one picture's arrival at one viewer.
    pub(super) fn record(&mut self, role: Role, arrival: &Arrival) {
        if arrival.novelty == Novelty::New
            && let Some(captured_at) = arrival.captured_at
            && let Some(latency) = arrival.arrived_at.checked_sub(captured_at)
            && latency <= LATENCY_MAX
        {
            self.latency.of_mut(role).record(latency);
        }
        let Some(order) = arrival.order else { return };
        let picture = self.pictures.entry(order).or_insert(Picture {
            checksum: arrival.checksum,
            steady: None,
        });
        if picture.checksum != arrival.checksum {
            *self.mismatched.of_mut(role) += 1;
        }
        if role == Role::Steady && arrival.novelty == Novelty::New {
            let at = arrival.arrived_at;
            let interval = picture.steady.get_or_insert(Interval {
                first: at,
                last: at,
            });
            interval.first = interval.first.min(at);
            interval.last = interval.last.max(at);
        }
        if self.pictures.len() > PICTURES_MAX {
            self.retire_oldest();
        }
    }

    /// For each picture, the time from the first steady viewer that got it to the last one.
    pub(super) fn spread(&mut self) -> Quantiles {
        while !self.pictures.is_empty() {
            self.retire_oldest();
        }
        self.spread.quantiles()
    }

    fn retire_oldest(&mut self) {
        let Some((_, picture)) = self.pictures.pop_first() else {
            return;
        };
        if let Some(Interval { first, last }) = picture.steady {
            self.spread.record(last.saturating_sub(first));
        }
    }
}

/// A histogram of times in microseconds, to three significant figures.
pub(super) struct Microseconds(Histogram<u64>);

impl Microseconds {
    pub(super) fn record(&mut self, time: Duration) {
        self.0
            .saturating_record(time.as_micros().try_into().unwrap_or(u64::MAX));
    }

    pub(super) fn quantiles(&self) -> Quantiles {
        let milliseconds = |micros: u64| micros as f64 / 1000.0;
        let at = |quantile| milliseconds(self.0.value_at_quantile(quantile));
        Quantiles {
            count: self.0.len(),
            p50_ms: at(0.50),
            p90_ms: at(0.90),
            p99_ms: at(0.99),
            max_ms: milliseconds(self.0.max()),
        }
    }

    /// The quantiles as far as the number of times carries: of 1,000 times, the last that says
    /// something is 99.9 %.
    pub(super) fn curve(&self) -> Vec<CurvePoint> {
        let count = self.0.len() as f64;
        let beyond =
            (0..).map(|step| 10f64.powf(-f64::from(step) / f64::from(CURVE_POINTS_PER_NINE)));
        let quantiles = beyond
            .take_while(|beyond| beyond * count >= 1.0)
            .map(|beyond| 1.0 - beyond);
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1000.0;
        quantiles
            .map(|quantile| CurvePoint {
                quantile,
                milliseconds: at(quantile),
            })
            .collect()
    }
}

impl Default for Microseconds {
    fn default() -> Self {
        let longest = LATENCY_MAX.as_micros().try_into().unwrap_or(u64::MAX);
        // The bounds are constants that the library accepts, so this cannot fail on anything from
        // outside.
        Self(Histogram::new_with_bounds(1, longest, 3).expect("bounds of a histogram"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(order: u64, milliseconds: u64, checksum: u64) -> Arrival {
        Arrival {
            novelty: Novelty::New,
            order: Some(order),
            captured_at: Some(Duration::from_millis(1000)),
            arrived_at: Duration::from_millis(1000 + milliseconds),
            checksum: Some(checksum),
        }
    }

    #[test]
    fn latency_and_spread_are_those_of_the_steady_viewers() {
        let mut ledger = Ledger::new();
        ledger.record(Role::Steady, &arrival(1, 5, 0));
        ledger.record(Role::Slow, &arrival(1, 900, 0));
        ledger.record(Role::Steady, &arrival(1, 25, 0));
        assert_eq!(ledger.latency.steady.quantiles().max_ms.round(), 25.0);
        assert_eq!(ledger.latency.slow.quantiles().count, 1);
        let spread = ledger.spread();
        assert_eq!((spread.count, spread.max_ms.round()), (1, 20.0));
    }

    #[test]
    fn a_curve_goes_as_far_as_its_times_carry() {
        let mut times = Microseconds::default();
        assert_eq!(times.curve(), []);
        (1..=1000).for_each(|milliseconds| times.record(Duration::from_millis(milliseconds)));
        let curve = times.curve();
        assert_eq!(curve.len(), 3 * CURVE_POINTS_PER_NINE as usize + 1);
        assert!(curve.is_sorted_by(
            |one, next| one.quantile < next.quantile && one.milliseconds <= next.milliseconds
        ));
        let (first, last) = (curve[0], curve[curve.len() - 1]);
        assert_eq!((first.quantile, first.milliseconds.round()), (0.0, 1.0));
        assert!(
            (last.quantile - 0.999).abs() < 1e-9 && (last.milliseconds - 999.0).abs() < 2.0,
            "{last:?}"
        );
    }

    #[test]
    fn bytes_that_differ_are_counted() {
        let mut ledger = Ledger::new();
        ledger.record(Role::Steady, &arrival(1, 5, 7));
        ledger.record(Role::Steady, &arrival(1, 5, 7));
        ledger.record(Role::Steady, &arrival(2, 5, 8));
        assert_eq!(ledger.mismatched.steady, 0);
        ledger.record(Role::Slow, &arrival(2, 5, 9));
        assert_eq!(ledger.mismatched.slow, 1);
    }

    #[test]
    fn the_ledger_forgets_the_oldest_pictures() {
        let mut ledger = Ledger::new();
        for order in 0..3 * PICTURES_MAX as u64 {
            ledger.record(Role::Steady, &arrival(order, 1, 0));
            assert!(ledger.pictures.len() <= PICTURES_MAX);
        }
        assert_eq!(ledger.spread().count, 3 * PICTURES_MAX as u64);
    }
}
