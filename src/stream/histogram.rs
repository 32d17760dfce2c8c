//! A histogram of durations, cheap enough for every frame of every viewer.

use std::time::Duration;

/// The upper bounds of the buckets, in nanoseconds; one more bucket has no bound. From 100 µs to
/// 10 s in steps of 1, 2.5 and 5, as is usual for Prometheus.
const BOUNDS_NANOS: [u64; 16] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Counts of durations by bucket. To add one allocates nothing and takes a few nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Histogram {
    counts: [u64; BOUNDS_NANOS.len() + 1],
    sum_nanos: u64,
}

impl Histogram {
    /// Adds a duration.
    pub fn add(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.counts[BOUNDS_NANOS.partition_point(|&bound| bound < nanos)] += 1;
        self.sum_nanos = self.sum_nanos.saturating_add(nanos);
    }

    /// Returns the number of durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the sum of the durations, in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_nanos as f64 / 1e9
    }

    /// Returns the upper bound of each bucket in seconds, inclusive, and its count. The last bound
    /// is infinite.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let bounds = BOUNDS_NANOS
            .iter()
            .map(|&nanos| nanos as f64 / 1e9)
            .chain([f64::INFINITY]);
        bounds.zip(self.counts.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_counted_in_first_bucket_that_holds_it() {
        let mut histogram = Histogram::default();
        for micros in [0, 100, 101, 2_500, 10_000_000, 10_000_001, 86_400_000_000] {
            histogram.add(Duration::from_micros(micros));
        }
        let filled: Vec<(f64, u64)> = histogram
            .buckets()
            .filter(|&(_, count)| count > 0)
            .collect();
        assert_eq!(
            filled,
            [
                (0.0001, 2),
                (0.00025, 1),
                (0.0025, 1),
                (10.0, 1),
                (f64::INFINITY, 2)
            ]
        );
        assert_eq!(histogram.count(), 7);
        assert!((histogram.sum_seconds() - 86_420.002_702).abs() < 1e-6);
    }
}
