//! The metadata of a frame: its capture time and its sequence number.
//!
//! Both come from other programs and machines. The types accept only values within bounds, so that
//! later arithmetic and formatting can neither overflow nor panic.

#![deny(clippy::arithmetic_side_effects)]

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The beginning of the year 2000, in seconds since the Unix epoch. Servers that count from their
/// own start send smaller numbers.
const SECONDS_MIN: u64 = 946_684_800;

/// The end of the year 9999. Neither an HTTP date (RFC 9110, section 5.6.7) nor RFC 3339 can
/// express a later time.
const SECONDS_END: u64 = 253_402_300_800;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Units per second: seconds, milliseconds, microseconds. From 2000 to 9999 their ranges do not
/// overlap, so the magnitude of a number determines its unit.
const UNITS_PER_SECOND: [u128; 3] = [1, 1_000, 1_000_000];

/// A wall time within the years 2000 to 9999, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(Duration);

impl WallTime {
    /// The first moment of the year 2000.
    pub const MIN: Self = Self(Duration::from_secs(SECONDS_MIN));

    /// The last nanosecond of the year 9999.
    pub const MAX: Self = Self(Duration::new(SECONDS_END - 1, 999_999_999));

    /// Returns the wall time `since_epoch` after the Unix epoch; `None` outside the years 2000 to
    /// 9999.
    pub fn new(since_epoch: Duration) -> Option<Self> {
        (SECONDS_MIN..SECONDS_END)
            .contains(&since_epoch.as_secs())
            .then_some(Self(since_epoch))
    }

    /// Returns the wall time `since_epoch` after the Unix epoch, clamped to the years 2000 to 9999.
    /// For this machine's clock, which starts in 1970 on boards without a battery.
    pub fn nearest(since_epoch: Duration) -> Self {
        Self(since_epoch).clamp(Self::MIN, Self::MAX)
    }

    /// Parses a decimal number of seconds, milliseconds or microseconds since the Unix epoch, such
    /// as `1795783697.25`. Returns `None` for anything else and outside the years 2000 to 9999.
    /// Digits below the nanosecond are ignored.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(decimals) {
            return None;
        }
        // At most 20 digits: 10^20 times 10^9 fits into 128 bits.
        let whole = u128::from(whole.parse::<u64>().ok()?);
        let decimals: u128 = format!("{decimals:0<9.9}").parse().ok()?;
        let billionths = whole.checked_mul(NANOS_PER_SECOND)?.checked_add(decimals)?;
        let per_second = UNITS_PER_SECOND.into_iter().find(|per_second| {
            let seconds = whole.checked_div(*per_second).unwrap_or_default();
            (u128::from(SECONDS_MIN)..u128::from(SECONDS_END)).contains(&seconds)
        })?;
        let nanos = billionths.checked_div(per_second)?;
        let seconds = u64::try_from(nanos.checked_div(NANOS_PER_SECOND)?).ok()?;
        let nanos = u32::try_from(nanos.checked_rem(NANOS_PER_SECOND)?).ok()?;
        Self::new(Duration::new(seconds, nanos))
    }

    /// Returns the time since the Unix epoch.
    pub fn since_epoch(self) -> Duration {
        self.0
    }

    /// Returns the time from `earlier` to this; zero if `earlier` is later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl From<WallTime> for SystemTime {
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "the year 9999 is within the range of a 64-bit time_t"
    )]
    fn from(time: WallTime) -> Self {
        UNIX_EPOCH + time.0
    }
}

/// Formats seconds since the Unix epoch with six decimals, as in `X-Timestamp`.
impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0.as_secs(), self.0.subsec_micros())
    }
}

/// The sequence number that a source gives a frame.
///
/// JavaScript, which reads the numbers from `/state` and `/events`, is exact up to 2^53. The
/// maximum is 2^40 below, because the hub counts on from a source's number: at 240 frames per
/// second that lasts 145 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(u64);

impl Sequence {
    /// The largest accepted number, 2^53 - 2^40.
    pub const MAX: Self = Self((1 << 53) - (1 << 40));

    /// Returns the number, or `None` above [`Sequence::MAX`].
    pub fn new(number: u64) -> Option<Self> {
        (number <= Self::MAX.0).then_some(Self(number))
    }

    /// Parses a decimal number. Returns `None` for anything else and above [`Sequence::MAX`].
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().and_then(Self::new)
    }

    /// Returns the number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The header fields of a frame that were present but ignored: out of range, or not a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IgnoredFields {
    /// `X-Timestamp`, the capture time.
    pub timestamp: bool,
    /// `X-Frame-Sequence`, the sequence number.
    pub sequence: bool,
}

impl IgnoredFields {
    /// The header field of a part in which a driver reports the fields that it ignored.
    pub const FIELD: &str = "X-Frame-IgnoredFields";

    /// Parses the value of [`FIELD`](Self::FIELD): a list separated by commas. Unknown elements are
    /// ignored.
    pub fn parse(value: &str) -> Self {
        let contains = |element: &str| {
            value
                .split(',')
                .any(|name| name.trim().eq_ignore_ascii_case(element))
        };
        Self {
            timestamp: contains("timestamp"),
            sequence: contains("sequence"),
        }
    }

    /// Returns the header line with its CRLF, or an empty string if nothing was ignored.
    pub fn header_line(self) -> String {
        let names = [("timestamp", self.timestamp), ("sequence", self.sequence)];
        let names: Vec<&str> = names
            .into_iter()
            .filter(|(_, is_ignored)| *is_ignored)
            .map(|(name, _)| name)
            .collect();
        if names.is_empty() {
            String::new()
        } else {
            format!("{}: {}\r\n", Self::FIELD, names.join(", "))
        }
    }

    /// Returns the fields ignored in either of two places.
    pub fn or(self, other: Self) -> Self {
        Self {
            timestamp: self.timestamp || other.timestamp,
            sequence: self.sequence || other.sequence,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(u64, u32)> {
        WallTime::parse(text).map(|time| {
            (
                time.since_epoch().as_secs(),
                time.since_epoch().subsec_nanos(),
            )
        })
    }

    #[test]
    fn wall_time_in_any_unit_is_recognized_by_its_magnitude() {
        for (text, expected) in [
            ("1795783697", (1_795_783_697, 0)),
            ("1795783697.", (1_795_783_697, 0)),
            ("1795783697.25", (1_795_783_697, 250_000_000)),
            ("1795783697.0000000019", (1_795_783_697, 1)),
            ("1795783697704", (1_795_783_697, 704_000_000)),
            ("1795783697704.5", (1_795_783_697, 704_500_000)),
            ("1795783697704123", (1_795_783_697, 704_123_000)),
            ("946684800", (946_684_800, 0)),
            ("253402300799.999999999", (253_402_300_799, 999_999_999)),
            ("946684800000", (946_684_800, 0)),
            ("253402300799999", (253_402_300_799, 999_000_000)),
            ("946684800000000", (946_684_800, 0)),
            ("253402300799999999", (253_402_300_799, 999_999_000)),
            ("1795783697704123.456", (1_795_783_697, 704_123_456)),
        ] {
            assert_eq!(parsed(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn wall_time_outside_2000_to_9999_is_rejected() {
        for text in [
            "0",
            "0.000000",
            "7.5",
            "946684799.999999",
            "253402300800",
            "946684799999",
            "253402300800000",
            "946684799999999",
            "253402300800000000",
            "1795783697704123456",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999999999",
            "",
            ".5",
            "+1795783697",
            "-1795783697",
            "1.7e9",
            "1795783697.2.5",
            "1795783697 ",
            "NaN",
            "2026-11-27T00:00:00Z",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
        assert_eq!(WallTime::new(Duration::MAX), None);
        assert_eq!(WallTime::nearest(Duration::MAX), WallTime::MAX);
        assert_eq!(WallTime::nearest(Duration::ZERO), WallTime::MIN);
    }

    #[test]
    fn sequence_above_its_bound_is_rejected() {
        let max = Sequence::MAX.get();
        assert_eq!(Sequence::parse(&max.to_string()), Some(Sequence::MAX));
        for text in [
            &(max + 1).to_string(),
            "9007199254740993",
            "18446744073709551615",
            "99999999999999999999",
            "-1",
            "x",
            "",
        ] {
            assert_eq!(Sequence::parse(text), None, "{text}");
        }
    }
}
