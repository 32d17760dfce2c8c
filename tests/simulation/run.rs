//! One seed from its beginning to its end: chaos, then calm, in which all must come right, then the shutdown.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use framecast::stream::metrics::{Closes, FrameCounts};

use crate::checks;
use crate::link::Link;
use crate::random::Random;
use crate::world::World;

/// Steps in which an awkward moment for the end is waited for.
const AWKWARD_STEPS_MAX: usize = 100;

/// Steps in which the faults go on after it.
const ROUGH_STEPS: usize = 40;

/// Steps of calm in which the cameras go on, and in which they are silent.
const LIVE_STEPS: usize = 20;
const SILENT_STEPS: usize = 40;

/// Steps of the end: longer than the last call to those who have not asked yet.
const END_STEPS: usize = 10;
/// A trace that tells of steps in which nothing happens is not listened to for ever.
const TRACE_STEPS_MAX: usize = 400;

/// What came of one seed, or of many.
#[derive(Clone, Copy, Debug, Default)]
pub struct Life {
    /// All that was moved, folded into one number.
    pub digest: u64,
    pub connections: u64,
    pub requests: u64,
    pub refused: u64,
    pub frames: FrameCounts,
    pub closed: Closes,
}

impl Life {
    fn of(world: &World, frames: FrameCounts) -> Self {
        let totals = world.hub.totals();
        Self {
            digest: world.model.borrow().digest,
            connections: totals.admitted,
            requests: totals.requests,
            refused: totals.refused,
            frames,
            closed: totals.closed,
        }
    }

    pub fn add(&mut self, other: &Life) {
        self.connections += other.connections;
        self.requests += other.requests;
        self.refused += other.refused;
        self.frames.add(&other.frames);
        let (all, one) = (&mut self.closed, &other.closed);
        all.left += one.left;
        all.finished += one.finished;
        all.silent += one.silent;
        all.stalled += one.stalled;
        all.frame_too_slow += one.frame_too_slow;
        all.pinned += one.pinned;
        all.failed += one.failed;
        all.shutdown += one.shutdown;
    }
}

/// Why a seed failed.
#[derive(Debug)]
pub struct Failure {
    pub seed: u64,
    pub step: usize,
    pub fault: String,
}

/// Runs one seed for `steps` steps of chaos and what follows them.
pub fn run(seed: u64, steps: usize, is_verbose: bool) -> Result<Life, Failure> {
    let mut step = 0;
    let mut world = World::new(Random::new(seed), is_verbose);
    match catch(|| live(&mut world, steps, &mut step)) {
        Ok(frames) => Ok(Life::of(&world, frames)),
        Err(fault) => Err(Failure { seed, step, fault }),
    }
}

/// Takes a panic for a fault.
pub fn catch<T>(live: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(live)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<&str>().map(|words| words.to_string());
        let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(format!("panic: {}", words.unwrap_or_default()))
    })
}

fn live(world: &mut World, steps: usize, step: &mut usize) -> Result<FrameCounts, String> {
    let calm = LIVE_STEPS + SILENT_STEPS;
    for _ in 0..steps.saturating_sub(calm) {
        *step += 1;
        world.step()?;
    }
    end(world, step)?;
    checks::sums_are_reported(world)
}

/// Lives through a trace: chaos for as long as it says something, and what follows.
pub fn play(trace: &[u8], is_verbose: bool) -> Result<(), String> {
    let mut step = 0;
    let mut world = World::new(Random::of_trace(trace), is_verbose);
    while world.goes_on() && step < TRACE_STEPS_MAX {
        step += 1;
        world.step().map_err(|fault| format!("step {step}: {fault}"))?;
    }
    end(&mut world, &mut step).map_err(|fault| format!("step {step}: {fault}"))
}

fn end(world: &mut World, step: &mut usize) -> Result<(), String> {
    checks::sums_are_reported(world)?;
    match world.fault_profile.is_rough_ending {
        true => end_roughly(world, step)?,
        false => end_calmly(world, step)?,
    }
    for _ in 0..END_STEPS {
        *step += 1;
        world.calm_step(Duration::from_millis(60), false)?;
        world.settle()?;
    }
    match world.hub.is_empty() {
        true => Ok(()),
        false => Err(format!("{} connections are left after the end", world.hub.len())),
    }
}

/// The faults stop: every viewer has the newest frame in the end. Then the hub is shut down.
fn end_calmly(world: &mut World, step: &mut usize) -> Result<(), String> {
    world.calm_down();
    for calm in 0..LIVE_STEPS + SILENT_STEPS {
        *step += 1;
        let is_live = calm < LIVE_STEPS;
        world.calm_step(Duration::from_millis(if is_live { 20 } else { 200 }), is_live)?;
        if !is_live {
            world.settle()?;
        }
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
fn end_roughly(world: &mut World, step: &mut usize) -> Result<(), String> {
    // The most awkward moment is before the end of a reply that another request was to follow.
    for _ in 0..AWKWARD_STEPS_MAX {
        if world.is_in_the_middle_of_a_reply() || !world.goes_on() {
            break;
        }
        *step += 1;
        world.step()?;
    }
    world.shut_down();
    for _ in 0..ROUGH_STEPS {
        *step += 1;
        world.step()?;
    }
    world.calm_down();
    Ok(())
}
