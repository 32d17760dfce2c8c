//! A camera: bursts, silences, placeholders, and sequences of its own.

use crate::random::Random;

/// An action of a camera.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Frame { bytes: usize, sequence: Option<u64> },
    Placeholder { bytes: usize },
    Clear,
    FailWaiters,
}

#[derive(Debug)]
pub struct Source {
    /// Chances per thousand in each step: a frame, the beginning of a silence.
    frames: usize,
    silences: usize,
    /// Large pictures are rare, since comparing them takes most of the time.
    large: usize,
    usual_bytes: usize,
    numbers: usize,
    silent_steps: usize,
}

impl Source {
    pub fn draw(random: &mut Random) -> Self {
        Self {
            frames: random.pick(&[900, 500, 200, 50]),
            silences: random.pick(&[0, 2, 10]),
            large: random.pick(&[0, 2, 10, 50]),
            usual_bytes: random.up_to(8_000),
            numbers: random.pick(&[0, 0, 500]),
            silent_steps: random.up_to(300),
        }
    }

    /// Draws the action of a step.
    pub fn act(&mut self, random: &mut Random, sequence: u64) -> Option<Act> {
        if self.silent_steps > 0 {
            self.silent_steps -= 1;
            return match random.below(80) {
                0 => Some(Act::Clear),
                1 => Some(Act::FailWaiters),
                2..4 => Some(Act::Placeholder {
                    bytes: self.bytes(random),
                }),
                _ => None,
            };
        }
        if random.chance(self.silences) {
            self.silent_steps = random.up_to(300);
        }
        random
            .chance(self.frames)
            .then(|| self.frame(random, sequence))
    }

    /// Draws a frame.
    pub fn frame(&self, random: &mut Random, sequence: u64) -> Act {
        let given = random
            .chance(self.numbers)
            .then(|| (sequence + random.below(5) as u64).saturating_sub(1));
        Act::Frame {
            bytes: self.bytes(random),
            sequence: given,
        }
    }

    fn bytes(&self, random: &mut Random) -> usize {
        match random.below(1000) {
            roll if roll < self.large => random.between(8_000, crate::model::JPEG_BYTES_MAX),
            _ => random.up_to(self.usual_bytes),
        }
    }
}
