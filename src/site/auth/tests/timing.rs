//! Whether the time that a refusal takes says anything of how near the guess was: many tries of two
//! kinds in an order of chance, and Welch's t-test on their times, as dudect does it.
//!
//! `cargo test --profile optimised --lib timing -- --ignored --nocapture` prints the figures.

use std::hint::black_box;
use std::time::Instant;

use crate::site::auth::{Authenticator, Policy};

/// Tries of each kind.
const TRIES: usize = 100_000;

/// Verifications that are timed together: one alone is not much longer than the reading of the
/// clock.
const AT_ONCE: usize = 4;

/// Above this, a difference is there and no chance (Reparaz and others, "Dude, is my code constant
/// time?", 2017).
const T_MAX: f64 = 4.5;

const PASSWORD: &str = "correct horse battery staple, and a few words more to be long";

/// A linear congruential generator: only the order of the tries comes from it.
struct Chance(u64);

impl Chance {
    fn bit(&mut self) -> bool {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 63 == 1
    }
}

/// The times of two kinds of guesses, in nanoseconds. Both are read from the same place: where in
/// memory a guess lies is worth a nanosecond too.
fn measure(authenticator: &Authenticator, guesses: [&str; 2]) -> [Vec<f64>; 2] {
    let (mut chance, mut times) = (Chance(7), [Vec::new(), Vec::new()]);
    let mut place = vec![0; guesses[0].len()];
    while times.iter().any(|times| times.len() < TRIES) {
        let kind = usize::from(chance.bit());
        place.copy_from_slice(guesses[kind].as_bytes());
        let guess = black_box(&*place);
        let begun = Instant::now();
        for _ in 0..AT_ONCE {
            black_box(authenticator.has_plain_password(black_box(guess)));
        }
        times[kind].push(begun.elapsed().as_nanos() as f64);
    }
    times
}

/// Welch's t, without what an interruption made long: the slowest tenth of all.
fn welch(times: &[Vec<f64>; 2]) -> f64 {
    let mut all: Vec<f64> = times.concat();
    all.sort_by(f64::total_cmp);
    let slow = all[all.len() * 9 / 10];
    let [first, second] = [0, 1].map(|kind| {
        let kept: Vec<f64> = times[kind]
            .iter()
            .copied()
            .filter(|&time| time <= slow)
            .collect();
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    (first.0 - second.0) / (first.1 + second.1).sqrt()
}

/// A comparison as it must not be: it ends at the first difference.
fn leaks(guess: &[u8]) -> bool {
    let known = black_box(PASSWORD.as_bytes());
    guess.len() == known.len()
        && (0..known.len()).all(|index| black_box(guess[index]) == known[index])
}

#[test]
#[ignore = "measures nanoseconds"]
fn time_of_refusal_does_not_depend_on_guess() {
    let accounts = format!("bob:something else\nann:{PASSWORD}\neve:another")
        .parse()
        .unwrap();
    let authenticator = Authenticator::new(
        Policy {
            accounts,
            ..Policy::default()
        },
        Vec::new(),
        b"a key of this test",
    );
    let right = format!("ann:{PASSWORD}");
    let last_is_wrong = format!("{}!", &right[..right.len() - 1]);
    let first_is_wrong = format!("ann:!{}", &PASSWORD[1..]);
    let other_user = format!("xnn:{PASSWORD}");
    assert!(
        authenticator.has_plain_password(right.as_bytes())
            && !authenticator.has_plain_password(last_is_wrong.as_bytes())
    );
    for (name, guesses) in [
        ("right against wrong", [&*right, &*first_is_wrong]),
        (
            "a long common prefix against none",
            [&last_is_wrong, &first_is_wrong],
        ),
        (
            "a known user against an unknown one",
            [&first_is_wrong, &other_user],
        ),
    ] {
        let t = welch(&measure(&authenticator, guesses));
        println!("{name}: t = {t:.2} over {TRIES} tries each");
        assert!(t.abs() < T_MAX, "{name}: t = {t:.2}");
    }
}

#[test]
#[ignore = "measures nanoseconds"]
fn early_exit_comparison_is_detected() {
    let (mut chance, mut times) = (Chance(7), [Vec::new(), Vec::new()]);
    let guesses = [
        format!("{}!", &PASSWORD[..PASSWORD.len() - 1]),
        format!("!{}", &PASSWORD[1..]),
    ];
    while times.iter().any(|times| times.len() < TRIES) {
        let kind = usize::from(chance.bit());
        let begun = Instant::now();
        for _ in 0..AT_ONCE {
            black_box(leaks(black_box(guesses[kind].as_bytes())));
        }
        times[kind].push(begun.elapsed().as_nanos() as f64);
    }
    let t = welch(&times);
    println!("a comparison that ends early: t = {t:.0}");
    assert!(t.abs() > T_MAX);
}
