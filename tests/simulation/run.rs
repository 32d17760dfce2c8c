//! One seed from its beginning to its end: chaos, then calm, in which all must come right, then the
//! shutdown.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::checks;
use crate::link::Link;
use crate::random::Random;
use crate::world::World;

/// Steps in which an awkward moment for the end is waited for, and in which the faults go on after
/// it.
const AWKWARD_STEPS_MAX: usize = 100;
const ROUGH_STEPS: usize = 40;
/// Steps of calm in which the cameras go on, and in which they are silent.
const LIVE_STEPS: usize = 20;
const SILENT_STEPS: usize = 40;
/// Steps of the end: longer than requests on their way are awaited.
const END_STEPS: usize = 10;
/// A trace may encode steps in which nothing happens: it is not played for ever.
const TRACE_STEPS_MAX: usize = 400;

/// What came of one seed.
pub struct Outcome {
    /// All that was moved, folded into one number.
    pub digest: u64,
    /// How often what happened.
    pub counts: BTreeMap<&'static str, u64>,
}

/// Runs one seed for `steps` steps of chaos and what follows them. An error names the step.
pub fn run(seed: u64, steps: usize, is_verbose: bool) -> Result<Outcome, String> {
    live(
        World::new(Random::new(seed), is_verbose),
        steps.saturating_sub(LIVE_STEPS + SILENT_STEPS),
    )
}

/// Plays a trace: chaos for as long as it has bytes, and what follows.
pub fn play(trace: &[u8], is_verbose: bool) -> Result<Outcome, String> {
    live(
        World::new(Random::of_trace(trace), is_verbose),
        TRACE_STEPS_MAX,
    )
}

fn live(mut world: World, steps: usize) -> Result<Outcome, String> {
    let lived = catch_unwind(AssertUnwindSafe(|| {
        while world.step < steps && world.goes_on() {
            world.step()?;
        }
        end(&mut world)
    }));
    // A panic is a finding like any other.
    let lived = lived.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<&str>().map(|words| words.to_string());
        Err(format!(
            "panic: {}",
            words
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default()
        ))
    });
    lived.map_err(|fault| format!("step {}: {fault}", world.step))
}

fn end(world: &mut World) -> Result<Outcome, String> {
    checks::sums_are_reported(world)?;
    if world.fault_profile.is_rough_ending {
        end_roughly(world)?
    } else {
        end_calmly(world)?
    }
    for _ in 0..END_STEPS {
        world.calm_step(Duration::from_millis(60), false)?;
        world.settle()?;
    }
    if !world.hub.connections().is_empty() {
        return Err(format!(
            "{} connections are left after the end",
            world.hub.connections().len()
        ));
    }
    let frames = checks::sums_are_reported(world)?;
    let totals = world.hub.live().totals;
    let mut counts = BTreeMap::from(totals.closed.by_reason());
    counts.extend([
        ("connections", totals.accepted),
        ("requests", totals.requests),
        ("refused", totals.invalid_requests),
    ]);
    counts.extend([
        ("frames delivered", frames.delivered),
        ("repeated", frames.repeated),
        ("cut", frames.cut),
    ]);
    counts.extend([
        ("skipped (slow)", frames.skipped_slow),
        ("skipped (rate)", frames.skipped_rate),
    ]);
    Ok(Outcome {
        digest: world.model.borrow().digest,
        counts,
    })
}

/// The faults stop: every viewer has the newest frame in the end. Then the hub is shut down.
fn end_calmly(world: &mut World) -> Result<(), String> {
    world.calm_down();
    for _ in 0..LIVE_STEPS {
        world.calm_step(Duration::from_millis(20), true)?;
    }
    for _ in 0..SILENT_STEPS {
        world.calm_step(Duration::from_millis(200), false)?;
        world.settle()?;
    }
    // Every connection is writable, so each was just found to have been sent all there is.
    let waits = |link: &Link| link.writing.is_owed || link.has_event();
    if let Some((key, _)) = world.links.iter().find(|(_, link)| waits(&link.borrow())) {
        return Err(format!("#{} is not writable in the end", key.number));
    }
    world.shut_down();
    Ok(())
}

/// The hub is shut down amid the faults, and they go on for a while.
fn end_roughly(world: &mut World) -> Result<(), String> {
    // The most awkward moment is before the end of a reply that another request was to follow.
    for _ in 0..AWKWARD_STEPS_MAX {
        if world.is_in_the_middle_of_a_reply() || !world.goes_on() {
            break;
        }
        world.step()?;
    }
    world.shut_down();
    for _ in 0..ROUGH_STEPS {
        world.step()?;
    }
    world.calm_down();
    Ok(())
}
