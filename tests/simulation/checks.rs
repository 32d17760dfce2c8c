//! What must hold after every step, whatever happened in it.

use framecast::hub::Call;
use framecast::hub::{Limits, Topic, Wake};
use framecast::stream::metrics::FrameCounts;

use crate::ledger::Ledger;
use crate::link::Link;
use crate::site::Wait;
use crate::transcript::Viewing;
use crate::world::World;

/// Turns in a row that may do nothing while the hub says there is work.
const IDLE_TURNS_MAX: usize = 3;

pub fn after_step(world: &World) -> Result<(), String> {
    world.look_back();
    let ledger = &*world.ledger.borrow();
    if let Some(fault) = &ledger.fault {
        return Err(fault.clone());
    }
    if world.idle_turns > IDLE_TURNS_MAX {
        return Err(format!("{} turns in a row did nothing, and still there is work", world.idle_turns));
    }
    if world.backlog.is_forgotten(world.links.len()) {
        return Err("somebody waits to be accepted and is forgotten".into());
    }
    if world.links.len() != world.hub.len() {
        return Err(format!("the hub counts {} connections of {}", world.hub.len(), world.links.len()));
    }
    if world.hub.next_wake() == Wake::OnInput && !world.hub.is_empty() {
        return Err("there is a connection, but no deadline".into());
    }
    let is_quiet = world.sleeps();
    for (key, link) in &world.links {
        let link = &*link.borrow();
        on_time(link, world.hub.limits(), ledger).map_err(|fault| format!("#{} {fault}", key.number))?;
        if is_quiet && !link.has_event() {
            at_rest(link, world.hub.limits(), ledger).map_err(|fault| format!("#{} {fault}", key.number))?;
        }
    }
    frames_add_up(world, ledger)?;
    followers_add_up(world)?;
    let untold = world.hub.totals().untold;
    if untold != ledger.untold {
        return Err(format!("{untold} frames are counted as untold, where {} are known", ledger.untold));
    }
    memory_is_bounded(world, ledger)
}

/// No connection is there after its time.
fn on_time(link: &Link, limits: &Limits, ledger: &Ledger) -> Result<(), String> {
    let now = ledger.now;
    let viewing = link.transcript.viewing.as_ref();
    let has_reply_due = link.transcript.has_reply_due();
    // At its end a stream is given the time of a stall once more.
    let ended_at = viewing.and_then(|viewing| viewing.ended_at).max(ledger.stopping_at);
    if let Some(blocked) = link.blocked_since.map(|since| since.max(ended_at.unwrap_or(since))) {
        if now >= blocked + limits.stall_timeout {
            return Err("has taken no byte for too long, and is still there".into());
        }
    } else if let Some(shut_at) = link.shut_at {
        if now >= shut_at + limits.linger_timeout {
            return Err("lingers for too long".into());
        }
    } else if let Some(wait) = &link.wait {
        if now >= wait.until {
            return Err("waits for a frame for too long".into());
        }
    } else if let Some(body) = link.transcript.body.as_ref().filter(|body| body.is_endless) {
        if now >= body.said_at.max(link.wrote_at) + limits.sign_of_life_after {
            return Err("is told nothing for too long".into());
        }
    } else if viewing.is_none() && !has_reply_due && !link.script.is_over {
        let has_begun = link.consumed > link.script.awaited_from;
        let deadline = match link.script.asked > 0 && !has_begun {
            true => link.replied_at + limits.idle_timeout,
            false => link.head_deadline(ledger),
        };
        if now >= deadline {
            return Err("has not said a whole request in its time, and is still there".into());
        }
    }
    let part = viewing.and_then(|viewing| viewing.part.as_ref());
    if part.is_some_and(|part| now >= part.begun + limits.frame_timeout) {
        return Err("has taken too long for one frame, and is still there".into());
    }
    Ok(())
}

/// Whether the server goes down, and what the peer has begun to ask is still awaited.
fn is_last_called(link: &Link, ledger: &Ledger) -> bool {
    let is_asking = link.script.asked == 0 || link.consumed > link.script.awaited_from;
    is_asking && ledger.last_call_until.is_some_and(|until| ledger.now < until)
}

/// While the loop sleeps, whatever is left to do for a connection waits for an edge that is owed.
fn at_rest(link: &Link, limits: &Limits, ledger: &Ledger) -> Result<(), String> {
    let transcript = &link.transcript;
    let viewing = transcript.viewing.as_ref();
    let has_reply_due = transcript.has_reply_due();
    if viewing.is_none() && !has_reply_due && link.blocked_since.is_some() && link.writing.is_owed {
        // What it has said was refused, but of the refusal no byte has left yet.
        return Ok(());
    }
    let body = transcript.body.as_ref().filter(|body| body.is_endless);
    if !link.writing.is_owed {
        viewing.map_or(Ok(()), |viewing| up_to_date(viewing, limits, ledger))?;
        body.map_or(Ok(()), |body| body.up_to_date(ledger))?;
        if has_reply_due {
            return Err("is owed a reply, and nothing will tell the loop to go on".into());
        }
    }
    if let Some(wait) = &link.wait {
        let newest = ledger.cameras[wait.camera].live.as_ref().map_or(0, |frame| frame.sequence);
        return match newest > wait.after || ledger.stopping {
            true => Err("waits for a frame that is there, or never will be".into()),
            false => Ok(()),
        };
    }
    let is_over = link.script.is_over || (ledger.stopping && !is_last_called(link, ledger));
    let is_ended = viewing.map_or(is_over && body.is_none(), |viewing| viewing.is_ending) && !has_reply_due;
    if is_ended && link.shut_at.is_none() {
        return Err("has been told all, and is not told so".into());
    }
    let is_subscriber = transcript.is_subscriber() && !ledger.stopping;
    let is_read = is_subscriber || link.shut_at.is_some() || !(has_reply_due || is_ended);
    // A peer that has shut down its write side alone is still sent a stream.
    if is_read && link.end_consumed && !transcript.is_subscriber() {
        return Err("has left, and is still there".into());
    }
    if is_read && !link.reading.is_owed && !link.end_consumed {
        return Err("has more to say, and nothing will tell the loop to read on".into());
    }
    let is_asking = !transcript.is_subscriber() && is_read && link.shut_at.is_none();
    if is_asking && link.script.messages.front().is_some_and(|message| message.end <= link.consumed) {
        return Err("has said a whole request, and is not answered".into());
    }
    Ok(())
}

/// N4: whoever can be given the newest frame has it, and has it again after a while.
fn up_to_date(viewing: &Viewing, limits: &Limits, ledger: &Ledger) -> Result<(), String> {
    if viewing.part.is_some() {
        return Err("N4: is in the middle of a frame, and nothing will tell the loop to go on".into());
    }
    if viewing.is_over(ledger) {
        return if viewing.is_ending { Ok(()) } else { Err("is not told of the end".into()) };
    }
    let Some(newest) = ledger.camera(viewing.camera).shown() else { return Ok(()) };
    let shown_at = newest.at + ledger.delay_of(viewing.camera);
    let time = viewing.time_of_last();
    match viewing.last {
        Some((last, begun)) if last == newest.sequence => match ledger.now >= begun + time.max(limits.repeat_after) {
            true => Err(format!("is not given frame {last} again")),
            false => Ok(()),
        },
        Some(_) if ledger.now < shown_at + time => Ok(()),
        last => {
            let last = last.map_or(0, |(last, _)| last);
            Err(format!("N4: is not given frame {} after {last}", newest.sequence))
        }
    }
}

/// N5: published = delivered + skipped + cut + in flight, for each viewer and for all.
fn frames_add_up(world: &World, ledger: &Ledger) -> Result<(), String> {
    let mut total = FrameCounts::default();
    world.hub.channels().iter().for_each(|channel| total.add(&channel.departed));
    if balance(&total) != 0 {
        return Err(format!("N5: of the viewers that have gone: {total:?}"));
    }
    let mut viewers = 0;
    for (key, connection, viewer) in world.viewers() {
        viewers += 1;
        let newest = world.hub.channels()[viewer.camera].newest_number(viewer.delay, ledger.now);
        let counts = &viewer.counts(newest);
        total.add(counts);
        let Some(link) = world.link(key) else {
            return Err(format!("#{} is a viewer, but has gone", key.number));
        };
        let link = link.borrow();
        let Some(viewing) = &link.transcript.viewing else {
            return Err(format!("#{} is a viewer, but has not asked for it", key.number));
        };
        let known = (viewing.published, viewing.delivered, viewing.repeated);
        if known != (counts.published, counts.delivered, counts.repeated) {
            return Err(format!("N5: #{} was given {known:?}, not {counts:?}", key.number));
        }
        let in_flight = connection.queue.in_flight().is_some_and(|(frame, _)| !frame.is_repeat);
        let waiting = balance(counts) - i64::from(in_flight);
        if !(0..=1).contains(&waiting) {
            return Err(format!("N5: #{}: {waiting} frames are nowhere: {counts:?}", key.number));
        }
    }
    let known = &ledger.counts;
    if (known.published, known.delivered, known.repeated, known.cut)
        != (total.published, total.delivered, total.repeated, total.cut)
    {
        return Err(format!("N5: the sums are {total:?} where {known:?} is known"));
    }
    let is_viewer = |link: &Link| link.transcript.viewing.is_some() && link.shut_at.is_none();
    let known = world.links.iter().filter(|(_, link)| is_viewer(&link.borrow())).count();
    match viewers == known && viewers == world.hub.viewers_len() {
        true => Ok(()),
        false => Err(format!("the hub counts {} viewers, lists {viewers}, and has {known}", world.hub.viewers_len())),
    }
}

fn balance(counts: &FrameCounts) -> i64 {
    let out = counts.delivered + counts.skipped_slow + counts.skipped_rate + counts.cut;
    counts.published as i64 - out as i64
}

/// Whoever reads without end is told of what it follows, and nobody else is.
fn followers_add_up(world: &World) -> Result<(), String> {
    let cameras = world.ledger.borrow().cameras.len();
    let topics = (0..cameras).map(|camera| Topic::Frames { camera }).chain([Topic::State, Topic::Loop]);
    for topic in topics {
        let follows = |link: &Link| link.transcript.body.as_ref().is_some_and(|body| body.follows.contains(&topic));
        let known = world.links.iter().filter(|(_, link)| follows(&link.borrow())).count();
        let told = world.hub.journal().followers(topic).len();
        if known != told {
            return Err(format!("{told} are told of {topic:?}, and {known} are there for it"));
        }
    }
    Ok(())
}

/// Past frames that slow peers hold fit their bound, by the hub's account and by what is known to be on its way.
fn memory_is_bounded(world: &World, ledger: &Ledger) -> Result<(), String> {
    let retracted: usize = ledger.cameras.iter().map(|camera| camera.retracted_bytes).sum();
    let most = world.hub.limits().frames_pinned_bytes_max + retracted;
    let pinned = world.hub.pinned_bytes();
    if pinned > most {
        return Err(format!("{pinned} bytes of past frames are held, of {most}"));
    }
    let mut held: Vec<(usize, u64, usize)> = Vec::new();
    for (_, link) in &world.links {
        for frame in link.borrow().transcript.frames_held() {
            let camera = &ledger.cameras[frame.camera];
            let current = [&camera.newest, &camera.live];
            if camera.history.binary_search_by_key(&frame.sequence, |kept| kept.sequence).is_ok() {
                continue;
            }
            if current.iter().all(|current| current.as_ref().is_none_or(|current| current.sequence != frame.sequence)) {
                held.push((frame.camera, frame.sequence, frame.len()));
            }
        }
    }
    held.sort_unstable();
    held.dedup();
    let held: usize = held.iter().map(|(_, _, bytes)| bytes).sum();
    if held > most { Err(format!("{held} bytes of past frames are on their way, of {most}")) } else { Ok(()) }
}

/// A request that waited was handed out again: there must be a reason.
pub fn asked_again(wait: &Wait, call: &Call, ledger: &Ledger) -> Result<(), String> {
    let is_served = ledger.cameras[wait.camera].sequence > wait.after;
    if wait.message.path != call.request.path {
        return Err(format!("{} waited, not {}", wait.message.path, call.request.path));
    }
    match call.waited {
        true if wait.is_given_up || ledger.stopping || ledger.now >= wait.until => Ok(()),
        false if is_served => Ok(()),
        _ => Err("is asked again too early".into()),
    }
}

/// A connection is over: there must be a reason, and the frame it was in is cut.
pub fn on_close(world: &World, link: &Link) -> Result<(), String> {
    let ledger = &mut *world.ledger.borrow_mut();
    let viewing = link.transcript.viewing.as_ref();
    let is_cut = viewing.and_then(|viewing| viewing.part.as_ref()).is_some_and(|part| part.is_fresh);
    ledger.counts.cut += u64::from(is_cut);
    if has_reason(world, link, ledger) {
        return Ok(());
    }
    Err(format!("connection {} is closed without a reason", link.id))
}

fn has_reason(world: &World, link: &Link, ledger: &Ledger) -> bool {
    let limits = world.hub.limits();
    let now = ledger.now;
    let transcript = &link.transcript;
    let viewing = transcript.viewing.as_ref();
    let is_streamed_to = match (viewing, &transcript.body) {
        (Some(viewing), _) => !viewing.is_ending,
        (None, body) => body.as_ref().is_some_and(|body| body.is_endless),
    };
    let is_told_all = !is_streamed_to && !transcript.has_reply_due();
    if link.reset || link.told_gone || (link.end_consumed && is_told_all) {
        return true;
    }
    let is_stalled = link.blocked_since.is_some_and(|since| now >= since + limits.stall_timeout) && !link.writing.told;
    let part = viewing.and_then(|viewing| viewing.part.as_ref());
    let is_too_slow = part.is_some_and(|part| now >= part.begun + limits.frame_timeout);
    let lingered = link.shut_at.is_some_and(|shut_at| {
        now >= shut_at + limits.linger_timeout || link.drained > limits.linger_bytes_max || link.end_consumed
    });
    let holds_frames = viewing.is_some() || transcript.frames_held().next().is_some();
    let is_pinned = holds_frames && world.hub.totals().closed.pinned > world.pinned_before;
    // Without a frame to write, nothing shows whether it still reads.
    let has_left = link.end_consumed
        && viewing.is_some_and(|viewing| {
            !ledger.camera(viewing.camera).is_shown && now >= viewing.since + limits.wait_timeout
        });
    if is_stalled || is_too_slow || lingered || is_pinned || has_left {
        return true;
    }
    let is_receiving =
        !transcript.is_subscriber() && !transcript.has_reply_due() && link.wait.is_none() && !link.script.is_over;
    let is_late = match link.script.asked {
        0 => now >= link.admitted_at + limits.request_timeout,
        _ => now >= link.replied_at + limits.idle_timeout,
    };
    is_receiving && (is_late || (ledger.stopping && !is_last_called(link, ledger)))
}
