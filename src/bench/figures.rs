//! Figures over all viewers: latency, the spread of a frame, and differences in the bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::outcome::{CurvePoint, Quantiles};
use super::parser::{Arrival, Order};
use super::viewer::{ByRole, Role};

/// The maximum number of frames whose arrivals are compared. A viewer that is further behind is not
/// compared any more.
const PICTURES_MAX: usize = 1024;

/// The maximum latency. A larger or negative one means that the server's clock is another one.
const LATENCY_MAX: Duration = Duration::from_secs(3600);

/// The number of points of a latency curve per power of ten, such as from 90 % to 99 %.
const CURVE_POINTS_PER_NINE: u32 = 8;

/// Figures over all viewers.
pub(super) struct Figures {
    pub(super) latency: ByRole<Microseconds>,
    pub(super) first_frame: ByRole<Microseconds>,
    pub(super) mismatched: ByRole<u64>,
    spread: Microseconds,
    pictures: BTreeMap<u64, Picture>,
}

/// The arrivals of one frame.
struct Picture {
    checksum: Option<u64>,
    /// First and last arrival at a steady viewer, without first frames of viewers.
    steady: Option<Interval>,
}

struct Interval {
    first: Duration,
    last: Duration,
}

impl Figures {
    pub(super) fn new() -> Self {
        Self {
            latency: ByRole::default(),
            first_frame: ByRole::default(),
            mismatched: ByRole::default(),
            spread: Microseconds::default(),
            pictures: BTreeMap::new(),
        }
    }

    /// Resets all figures except the times of first frames, which precede the measurement.
    pub(super) fn reset(&mut self) {
        let first_frame = std::mem::take(&mut self.first_frame);
        *self = Self {
            first_frame,
            ..Self::new()
        };
    }

    /// Records the arrival of a frame at a viewer.
    pub(super) fn record(&mut self, role: Role, arrival: &Arrival) {
        if arrival.order_change == Order::New
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
        if role == Role::Steady && arrival.order_change == Order::New {
            let at = arrival.arrived_at;
            let interval = picture.steady.get_or_insert(Interval {
                first: at,
                last: at,
            });
            interval.first = interval.first.min(at);
            interval.last = interval.last.max(at);
        }
        if self.pictures.len() > PICTURES_MAX {
            self.finish_oldest();
        }
    }

    /// Returns the distribution of the time from the first to the last arrival of a frame at a steady
    /// viewer.
    pub(super) fn spread(&mut self) -> Quantiles {
        while !self.pictures.is_empty() {
            self.finish_oldest();
        }
        self.spread.quantiles()
    }

    fn finish_oldest(&mut self) {
        let Some((_, picture)) = self.pictures.pop_first() else {
            return;
        };
        if let Some(Interval { first, last }) = picture.steady {
            self.spread.record(last.saturating_sub(first));
        }
    }
}

/// A histogram of times in microseconds, with three significant digits.
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

    /// Returns the curve of quantiles, as far as the number of values permits: with 1,000 values, up to
    /// 99.9 %.
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
        // The bounds are valid constants.
        Self(Histogram::new_with_bounds(1, longest, 3).expect("bounds of a histogram"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(order: u64, milliseconds: u64, checksum: u64) -> Arrival {
        Arrival {
            order_change: Order::New,
            order: Some(order),
            captured_at: Some(Duration::from_millis(1000)),
            arrived_at: Duration::from_millis(1000 + milliseconds),
            checksum: Some(checksum),
        }
    }

    #[test]
    fn latency_is_by_role_and_spread_of_steady_viewers() {
        let mut figures = Figures::new();
        figures.record(Role::Steady, &arrival(1, 5, 0));
        figures.record(Role::Slow, &arrival(1, 900, 0));
        figures.record(Role::Steady, &arrival(1, 25, 0));
        assert_eq!(figures.latency.steady.quantiles().max_ms.round(), 25.0);
        assert_eq!(figures.latency.slow.quantiles().count, 1);
        let spread = figures.spread();
        assert_eq!((spread.count, spread.max_ms.round()), (1, 20.0));
    }

    #[test]
    fn latency_curve_ends_at_the_last_meaningful_quantile() {
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
    fn different_bytes_under_one_number_are_counted() {
        let mut figures = Figures::new();
        figures.record(Role::Steady, &arrival(1, 5, 7));
        figures.record(Role::Steady, &arrival(1, 5, 7));
        figures.record(Role::Steady, &arrival(2, 5, 8));
        assert_eq!(figures.mismatched.steady, 0);
        figures.record(Role::Slow, &arrival(2, 5, 9));
        assert_eq!(figures.mismatched.slow, 1);
    }

    #[test]
    fn oldest_frames_are_dropped_from_comparison() {
        let mut figures = Figures::new();
        for order in 0..3 * PICTURES_MAX as u64 {
            figures.record(Role::Steady, &arrival(order, 1, 0));
            assert!(figures.pictures.len() <= PICTURES_MAX);
        }
        assert_eq!(figures.spread().count, 3 * PICTURES_MAX as u64);
    }
}
