//! The behaviour of a peer, and of the network between it and the hub.

use crate::random::Random;

/// Chances are per thousand, in each step or call.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// The peer reads up to `read_bytes` in a step.
    pub reads: usize,
    pub read_bytes: usize,
    /// The peer sends up to `send_bytes` in a step.
    pub sends: usize,
    pub send_bytes: usize,
    /// The peer ends in a step, by a reset or by an orderly end.
    pub leaves: usize,
    pub resets: bool,
    /// The peer closes in a step, once the hub has shut down writing.
    pub parts: usize,
    /// The most bytes that one call of read or write moves.
    pub chunk_bytes: usize,
    /// A call returns "would block" although it could succeed; the chance that this ends in a step.
    pub hiccups: usize,
    pub unstick: usize,
    /// A call returns "interrupted".
    pub interrupts: usize,
    /// The sizes of the kernel's buffers.
    pub receive_buffer: usize,
    pub send_buffer: usize,
    /// An edge of writability comes when there is room for this number of bytes.
    pub low_water: usize,
}

const ANY: usize = 1 << 30;

impl Profile {
    /// A peer that reads and sends everything at once, and closes when the hub has shut down
    /// writing.
    pub fn calm() -> Self {
        Self {
            reads: 1000,
            read_bytes: ANY,
            sends: 1000,
            send_bytes: ANY,
            parts: 1000,
            chunk_bytes: ANY,
            unstick: 1000,
            receive_buffer: 64 * 1024,
            send_buffer: ANY,
            low_water: 1,
            ..Self::default()
        }
    }

    /// Draws a peer; `faults` is the chance, per thousand, of a bad network.
    pub fn draw(random: &mut Random, faults: usize) -> Self {
        let bad = random.chance(faults);
        let (reads, read_bytes) = match random.below(10) {
            0..4 => (1000, ANY),
            4..6 => (1000, random.up_to(50_000)),
            6 => (random.between(5, 300), random.up_to(100_000)),
            7 => (random.between(100, 1000), 1),
            8 => (0, 0),
            _ => (random.between(1, 20), ANY),
        };
        let send_bytes = match random.below(4) {
            0 => 1,
            1 => random.up_to(100),
            _ => ANY,
        };
        let send_buffer = if read_bytes == ANY {
            random.pick(&[ANY, 100_000, 3_000])
        } else {
            random.up_to(20_000)
        };
        Self {
            reads,
            read_bytes,
            sends: random.pick(&[1000, 1000, 300, 50]),
            send_bytes,
            leaves: random.pick(&[0, 0, 0, 1, 1, 5, 30]),
            resets: random.chance(500),
            parts: random.pick(&[1000, 500, 100, 0]),
            chunk_bytes: if bad { random.up_to(4_000) } else { ANY },
            hiccups: if bad { random.up_to(300) } else { 0 },
            unstick: random.between(50, 1000),
            interrupts: if bad { random.up_to(100) } else { 0 },
            receive_buffer: random.up_to(64 * 1024),
            send_buffer,
            low_water: random.pick(&[1, 1, 100, 1_000]),
        }
    }
}
