//! One seed from start to end: steps with faults, steps without, in which every connection must
//! catch up, then the shutdown.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::checks;
use crate::link::Link;
use crate::random::Random;
use crate::world::World;

/// Steps to wait for a reply in progress before the shutdown, and steps with faults after it.
const AWKWARD_STEPS_MAX: usize = 100;
const ROUGH_STEPS: usize = 40;
/// Steps without faults in which the cameras publish, and in which they are silent.
const LIVE_STEPS: usize = 20;
const SILENT_STEPS: usize = 40;
/// Steps after the shutdown: longer than `last_call_timeout`.
const END_STEPS: usize = 10;
/// The most steps of a trace, which may encode steps in which nothing happens.
const TRACE_STEPS_MAX: usize = 400;

/// The result of one seed.
pub struct Outcome {
    /// A hash of all moved bytes.
    pub digest: u64,
    /// How often each thing happened.
    pub counts: BTreeMap<&'static str, u64>,
}

/// Runs one seed for `steps` steps with faults, and the steps after them. An error names the step.
pub fn run(seed: u64, steps: usize, is_verbose: bool) -> Result<Outcome, String> {
    run_world(
        World::new(Random::new(seed), is_verbose),
        steps.saturating_sub(LIVE_STEPS + SILENT_STEPS),
    )
}

/// Plays a trace: steps with faults while it has bytes, and the steps after them.
pub fn play(trace: &[u8], is_verbose: bool) -> Result<Outcome, String> {
    run_world(
        World::new(Random::from_trace(trace), is_verbose),
        TRACE_STEPS_MAX,
    )
}

fn run_world(mut world: World, steps: usize) -> Result<Outcome, String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        while world.step < steps && world.has_more() {
            world.step()?;
        }
        end(&mut world)
    }));
    // A panic is a failure like any other.
    let outcome = outcome.unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<&str>()
            .map(|message| message.to_string());
        Err(format!(
            "panic: {}",
            message
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default()
        ))
    });
    outcome.map_err(|fault| format!("step {}: {fault}", world.step))
}

fn end(world: &mut World) -> Result<Outcome, String> {
    checks::sums_are_reported(world)?;
    if world.fault_profile.ends_with_faults {
        end_with_faults(world)?
    } else {
        end_without_faults(world)?
    }
    for _ in 0..END_STEPS {
        world.calm_step(Duration::from_millis(60), false)?;
        world.settle()?;
    }
    if !world.hub.connections().is_empty() {
        return Err(format!(
            "{} connections are open after the shutdown",
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

/// Stops the faults, after which every viewer must get the newest frame. Then shuts the hub down.
fn end_without_faults(world: &mut World) -> Result<(), String> {
    world.calm_down();
    for _ in 0..LIVE_STEPS {
        world.calm_step(Duration::from_millis(20), true)?;
    }
    for _ in 0..SILENT_STEPS {
        world.calm_step(Duration::from_millis(200), false)?;
        world.settle()?;
    }
    // Every connection is writable, so the checks found that each has been sent everything.
    let waits = |link: &Link| link.writing.is_owed || link.has_event();
    if let Some((key, _)) = world.links.iter().find(|(_, link)| waits(&link.borrow())) {
        return Err(format!(
            "#{}: not writable after the faults have stopped",
            key.number
        ));
    }
    world.shut_down();
    Ok(())
}

/// Shuts the hub down while the faults go on.
fn end_with_faults(world: &mut World) -> Result<(), String> {
    // The hardest moment is during a reply that another request was to follow.
    for _ in 0..AWKWARD_STEPS_MAX {
        if world.is_in_the_middle_of_a_reply() || !world.has_more() {
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
