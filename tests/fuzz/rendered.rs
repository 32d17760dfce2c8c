//! One property over everything that is served: whatever a camera states about its frames, each row
//! of `/table`, each event, `/state`, `/metrics`, each clip, each part and each header is well
//! formed, and nothing panics.

use proptest::collection::vec;
use proptest::prelude::*;

use super::oracles::site::{self, Figures, FrameRecord, PATHS, World};

/// What is asked of each address.
const QUERIES: [&str; 8] = [
    "",
    "?camera=back-2",
    "?rows=20",
    "?camera=back-2&rows=10000000",
    "?frames=1&loop=1",
    "?seconds=10",
    "?stale=1&after=0",
    "?framing=advance&delay=10",
];

/// The value of a field: often a number around a bound, else anything that fits one line.
fn value() -> impl Strategy<Value = String> {
    let around = |bound: u64| {
        (0..=64_u64).prop_map(move |offset| bound.wrapping_add(offset).wrapping_sub(32).to_string())
    };
    let seconds = 946_684_700_u64..253_402_300_900;
    prop_oneof![
        any::<u64>().prop_map(|number| number.to_string()),
        (any::<u64>(), 0_u32..64).prop_map(|(number, shift)| (number >> shift).to_string()),
        prop::sample::select(vec![0, 1 << 40, 1 << 53, (1 << 53) - (1 << 40), 1 << 63])
            .prop_flat_map(around),
        prop::sample::select(vec![946_684_800, 253_402_300_800]).prop_flat_map(around),
        (seconds.clone(), "[0-9]{0,12}")
            .prop_map(|(whole, decimals)| format!("{whole}.{decimals}")),
        (seconds, prop::sample::select(vec![1_000_u64, 1_000_000]))
            .prop_map(|(time, unit)| (time * unit).to_string()),
        "[ -~]{0,20}",
        "\\PC{0,8}",
    ]
}

prop_compose! {
    fn fact()(
        camera in 0..2_usize,
        is_live in prop::bool::weighted(0.8),
        time in value(),
        sequence in value(),
        width in any::<u16>(),
        height in any::<u16>(),
        pause_ms in prop_oneof![0..100_u64, 0..20_000_u64, 0..100_000_000_u64],
        bytes in 0..3000_usize,
    ) -> FrameRecord {
        FrameRecord { camera, is_live, time, sequence, width, height, pause_ms, bytes }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn everything_served_is_well_formed_whatever_cameras_state(
        facts in vec(fact(), 0..40),
        seed in any::<u64>(),
        text in "\\PC{0,40}|[\\x00-\\x7f]{0,40}",
        choice in any::<u8>(),
    ) {
        // The bits for outages, and for a server that is full, come last: they keep all else from
        // being served.
        for choice in [choice & 0x1f, choice] {
            let world = World::new(&facts, Figures { seed, text: text.clone() }, choice);
            world.check_frames();
            for path in PATHS {
                for query in QUERIES {
                    site::get(&world, &format!("{path}{query}"));
                }
            }
        }
    }
}
