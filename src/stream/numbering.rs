//! The sequences of a camera's frames. They rise, whatever the camera states.

#![deny(clippy::arithmetic_side_effects)]

use crate::wire::metadata::Sequence;

/// The largest accepted step between two sequences that a camera states: twelve days, if the camera
/// counts microseconds.
const STEP_MAX: u64 = 1 << 40;

/// Assigns sequences to the frames of one camera.
///
/// Uses the sequence that the camera states if it exceeds all before it by at most `STEP_MAX`.
/// Otherwise the camera has restarted, states none, or states garbage: then it adds one to the
/// last sequence.
#[derive(Debug, Default)]
pub struct Numbering {
    last: u64,
    stated: Option<u64>,
    ignored: u64,
}

impl Numbering {
    /// Returns the sequence of the next frame.
    pub fn next(&mut self, stated: Option<Sequence>) -> u64 {
        let rising = stated
            .map(Sequence::get)
            .filter(|stated| *stated > self.last);
        let is_near = |stated: &u64| {
            self.stated
                .is_none_or(|before| stated.saturating_sub(before) <= STEP_MAX)
        };
        let taken = rising.filter(is_near);
        self.ignored = self
            .ignored
            .saturating_add(u64::from(taken.is_none() && rising.is_some()));
        self.stated = taken.or(self.stated);
        self.last = taken.unwrap_or(self.last.saturating_add(1));
        self.last
    }

    /// Returns how many stated sequences were ignored because their step was too large.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(stated: &[Option<u64>]) -> (Vec<u64>, u64) {
        let mut numbering = Numbering::default();
        let numbers = stated
            .iter()
            .map(|&stated| numbering.next(stated.and_then(Sequence::new)))
            .collect();
        (numbers, numbering.ignored())
    }

    #[test]
    fn stated_numbers_are_taken_while_they_rise() {
        assert_eq!(
            numbers(&[Some(5), Some(9), None, Some(3), Some(20)]),
            (vec![5, 9, 10, 11, 20], 0)
        );
    }

    #[test]
    fn first_stated_number_is_taken_at_any_distance() {
        let max = Sequence::MAX.get();
        assert_eq!(
            numbers(&[None, None, Some(max), None]),
            (vec![1, 2, max, max + 1], 0)
        );
    }

    #[test]
    fn jump_beyond_the_bounded_step_is_ignored_and_counted() {
        let far = 15 + STEP_MAX;
        assert_eq!(
            numbers(&[Some(15), Some(far + 1), None, Some(far), None]),
            (vec![15, 16, 17, far, far + 1], 1)
        );
    }

    #[test]
    fn number_out_of_bounds_changes_nothing() {
        assert_eq!(
            numbers(&[Some(15), Some(u64::MAX), None, None]),
            (vec![15, 16, 17, 18], 0)
        );
    }
}
