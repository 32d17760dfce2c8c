//! Random numbers from a seed, by splitmix64, or from a trace, whose bytes a fuzzer chooses.

use std::cell::Cell;
use std::rc::Rc;

/// A stream of numbers that is the same for the same seed or trace.
#[derive(Clone, Debug, Default)]
pub struct Random {
    state: u64,
    trace: Option<Rc<Trace>>,
}

/// Choices, one byte for each that has few outcomes. All forks draw from the same trace, so that a
/// changed byte changes one choice. After its end, numbers are drawn as from a seed.
#[derive(Debug)]
struct Trace {
    bytes: Vec<u8>,
    at: Cell<usize>,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed,
            trace: None,
        }
    }

    /// Draws from the bytes of `trace` as long as there are any.
    pub fn from_trace(trace: &[u8]) -> Self {
        Self {
            state: 0,
            trace: Some(Rc::new(Trace {
                bytes: trace.to_vec(),
                at: Cell::new(0),
            })),
        }
    }

    /// Whether the trace has bytes left; a seed has no end.
    pub fn has_more(&self) -> bool {
        self.trace
            .as_ref()
            .is_none_or(|trace| trace.at.get() < trace.bytes.len())
    }

    /// Returns an independent stream for a part of the world.
    pub fn fork(&mut self) -> Self {
        Self {
            state: self.draw(),
            trace: self.trace.clone(),
        }
    }

    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let chosen = self.trace.as_ref().and_then(|trace| trace.below(limit));
        chosen.unwrap_or_else(|| ((u128::from(self.draw()) * limit as u128) >> 64) as usize)
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    /// A number from 1 to `most`, of which small ones are as likely as large ones are: one per
    /// power of two.
    pub fn up_to(&mut self, most: usize) -> usize {
        let ceiling = most >> self.below(most.ilog2() as usize + 1);
        self.between(1, ceiling.max(1))
    }

    /// True `in_thousand` times out of a thousand; on a trace, where a choice costs a byte, at
    /// least once in 256.
    pub fn chance(&mut self, in_thousand: usize) -> bool {
        match self.trace {
            _ if in_thousand == 0 => false,
            Some(_) => in_thousand >= 1000 || self.below(256) * 1000 < in_thousand * 256,
            None => self.below(1000) < in_thousand,
        }
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index + 1));
        }
    }
}

impl Trace {
    /// The number in the next bytes, as many as `limit` needs; `None` at the end.
    fn below(&self, limit: usize) -> Option<usize> {
        let bytes = match limit {
            0..=1 => return Some(0),
            2..=0x100 => 1,
            0x101..=0x1_0000 => 2,
            _ => 4,
        };
        let rest = self.bytes.get(self.at.get()..)?;
        let bytes_read = rest.get(..bytes)?;
        self.at.set(self.at.get() + bytes);
        let number = bytes_read
            .iter()
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Some(((number * limit as u64) >> (8 * bytes)) as usize)
    }
}
