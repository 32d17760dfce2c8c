//! The checks after every step.

use std::collections::BTreeMap;
use std::time::Duration;

use framecast::hub::{Call, Wake};
use framecast::site::snapshot::{Driver, Server, Snapshot};
use framecast::stream::Topic;
use framecast::stream::counts::FrameCounts;

use crate::link::{Link, Wait};
use crate::model::Model;
use crate::transcript::Viewing;
use crate::world::World;

/// Turns in a row that may do nothing although the hub asked for them.
const IDLE_TURNS_MAX: usize = 3;

pub fn after_step(world: &World) -> Result<(), String> {
    let model = &*world.model.borrow();
    if let Some(fault) = &model.fault {
        return Err(fault.clone());
    }
    // A turn looks at this number of connections only.
    let turns = world.links.len() / model.limits.sends_per_turn_max;
    if world.idle_turns > IDLE_TURNS_MAX + turns {
        return Err(format!(
            "the hub asked for {} turns in a row and did nothing in them",
            world.idle_turns
        ));
    }
    if world.links.len() != world.hub.connections().len() {
        return Err(format!(
            "the hub has {} connections, the model {}",
            world.hub.connections().len(),
            world.links.len()
        ));
    }
    if world.hub.next_wake() == Wake::OnInput && !world.hub.connections().is_empty() {
        return Err("there is a connection without a deadline".into());
    }
    let is_quiet = world.sleeps();
    for (key, link) in &world.links {
        let link = &*link.borrow();
        let at_rest = if is_quiet && !link.has_event() {
            at_rest(link, model)
        } else {
            Ok(())
        };
        // While the hub has work for another turn, a late action may be part of that work.
        let on_time = if world.hub.next_wake() == Wake::Now {
            Ok(())
        } else {
            on_time(link, model)
        };
        on_time
            .and(at_rest)
            .map_err(|fault| format!("#{}: {fault}", key.number))?;
    }
    frames_add_up(world, model)?;
    subscribers_add_up(world, model)?;
    memory_is_bounded(world, model)
}

/// A time by which the hub must have acted on a connection.
struct Deadline {
    at: Duration,
    /// It must be closed by then; otherwise it must be sent something.
    is_closed: bool,
    missed: &'static str,
}

/// The deadlines that run for a connection.
fn deadlines(link: &Link, model: &Model) -> impl Iterator<Item = Deadline> {
    let limits = &model.limits;
    let viewing = link.transcript.viewing.as_ref();
    let part = viewing
        .and_then(|viewing| viewing.part)
        .map(|(begun_at, _)| begun_at + limits.frame_timeout);
    let part = part.map(|at| {
        (
            at,
            true,
            "the frame timeout has passed, and the connection is open",
        )
    });
    let progress = if let Some(since) = link.blocked_since {
        // The end of a stream restarts the stall timeout.
        let since = since.max(
            viewing
                .and_then(|viewing| viewing.ended_at)
                .unwrap_or(since),
        );
        Some((
            since + limits.stall_timeout,
            !link.writing.may_try,
            "the stall timeout has passed, and the connection is open",
        ))
    } else if let Some(shut_at) = link.shut_at {
        Some((
            shut_at + limits.linger_timeout,
            true,
            "the linger timeout has passed, and the connection is open",
        ))
    } else if let Some(wait) = &link.wait {
        Some((
            wait.until,
            false,
            "the wait timeout has passed without an answer",
        ))
    } else if let Some(body) = link.transcript.body.as_ref().filter(|body| body.is_endless) {
        Some((
            body.made_at.max(link.wrote_at) + limits.keep_alive_after,
            false,
            "the keep-alive interval has passed, and nothing was sent",
        ))
    } else if is_receiving(link) {
        let has_begun = link.script.has_begun(link.consumed);
        let at = if link.script.asked > 0 && !has_begun {
            link.replied_at + limits.idle_timeout
        } else {
            link.head_deadline(model)
        };
        // A peer whose input has arrived and was reported is not late.
        let has_arrived =
            link.reading.may_try && link.consumed < link.sent && !link.was_read_interrupted;
        Some((
            at,
            !has_begun && !has_arrived,
            "the request timeout has passed, and the connection is open",
        ))
    } else {
        None
    };
    [progress, part]
        .into_iter()
        .flatten()
        .map(|(at, is_closed, missed)| Deadline {
            at,
            is_closed,
            missed,
        })
}

/// Whether the hub waits for a request.
fn is_receiving(link: &Link) -> bool {
    let transcript = &link.transcript;
    !transcript.is_subscriber()
        && !transcript.has_reply_due()
        && link.wait.is_none()
        && !link.script.is_over
}

/// Checks that no deadline has passed.
fn on_time(link: &Link, model: &Model) -> Result<(), String> {
    if link.drained > model.limits.linger_bytes_max {
        return Err("more input was drained than the limit, and the connection is open".into());
    }
    let missed = deadlines(link, model).find(|deadline| model.now >= deadline.at);
    missed.map_or(Ok(()), |deadline| Err(deadline.missed.into()))
}

/// Whether the hub still waits for a first or begun request during the shutdown.
fn is_last_called(link: &Link, model: &Model) -> bool {
    let is_asking = link.script.asked == 0 || link.consumed > link.script.awaited_from;
    is_asking
        && model
            .last_call_until()
            .is_some_and(|until| model.now < until)
}

/// Checks that while the loop sleeps, all work of a connection waits for an edge that will come.
fn at_rest(link: &Link, model: &Model) -> Result<(), String> {
    let transcript = &link.transcript;
    let viewing = transcript.viewing.as_ref();
    let has_reply_due = transcript.has_reply_due();
    if viewing.is_none() && !has_reply_due && link.blocked_since.is_some() && link.writing.is_owed {
        // Its request was refused, and no byte of the refusal has left yet.
        return Ok(());
    }
    let body = transcript.body.as_ref().filter(|body| body.is_endless);
    if !link.writing.is_owed {
        viewing.map_or(Ok(()), |viewing| up_to_date(viewing, model))?;
        body.map_or(Ok(()), |body| body.up_to_date(model))?;
        if has_reply_due {
            return Err("lost edge: the rest of a reply is due, and no event will come".into());
        }
    }
    if let Some(wait) = &link.wait {
        let newest = model.cameras[wait.camera]
            .live
            .as_ref()
            .map_or(0, |frame| frame.sequence);
        return if newest > wait.after || model.is_stopping() {
            Err("the request waits, though its frame is published or cannot come".into())
        } else {
            Ok(())
        };
    }
    let is_over = link.script.is_over || (model.is_stopping() && !is_last_called(link, model));
    let is_ended =
        viewing.map_or(is_over && body.is_none(), |viewing| viewing.is_ending) && !has_reply_due;
    if is_ended && link.shut_at.is_none() {
        return Err("the last reply has left, and writing is not shut down".into());
    }
    let is_subscriber = transcript.is_subscriber() && !model.is_stopping();
    let is_read = is_subscriber || link.shut_at.is_some() || !(has_reply_due || is_ended);
    // A peer that has shut down its write side alone still gets a stream.
    if is_read && link.end_consumed && !transcript.is_subscriber() {
        return Err("the peer has closed, and the connection is open".into());
    }
    if is_read && !link.reading.is_owed && !link.end_consumed {
        return Err("lost edge: input is unread, and no event will come".into());
    }
    let is_asking = !transcript.is_subscriber() && is_read && link.shut_at.is_none();
    if is_asking
        && link
            .script
            .messages
            .front()
            .is_some_and(|message| message.end <= link.consumed)
    {
        return Err("a whole request was read, and is not answered".into());
    }
    Ok(())
}

/// N4: a viewer whose transport has room has the newest frame, and gets repeats of it.
fn up_to_date(viewing: &Viewing, model: &Model) -> Result<(), String> {
    if viewing.part.is_some() {
        return Err("N4: lost edge: a frame is partly sent, and no event will come".into());
    }
    if viewing.ended_at.is_some() {
        return if viewing.is_ending {
            Ok(())
        } else {
            Err("the closing delimiter is not sent".into())
        };
    }
    let Some(newest) = model.cameras[viewing.camera].shown(viewing.delay, model.now) else {
        return Ok(());
    };
    let time = viewing.time_of_last();
    match viewing.last {
        Some((last, begun)) if last == newest.sequence => {
            if model.now >= begun + time.max(model.limits.repeat_after) {
                Err(format!("frame {last} is not repeated"))
            } else {
                Ok(())
            }
        }
        Some(_) if model.now < newest.at + viewing.delay + time => Ok(()),
        last => {
            let last = last.map_or(0, |(last, _)| last);
            Err(format!(
                "N4: frame {} is the newest and is not sent; the last was {last}",
                newest.sequence
            ))
        }
    }
}

/// N5: offered = delivered + skipped + cut + in flight, for each viewer and for all. Returns the
/// sums.
fn frames_add_up(world: &World, model: &Model) -> Result<FrameCounts, String> {
    let mut total = FrameCounts::default();
    world
        .hub
        .live()
        .channels
        .iter()
        .for_each(|channel| total.add(&channel.closed_totals));
    if balance(&total) != 0 {
        return Err(format!("N5: the sums over closed viewers: {total:?}"));
    }
    let mut viewers = 0;
    for (key, connection) in world.hub.connections().iter() {
        let Some(viewer) = connection.viewer() else {
            continue;
        };
        viewers += 1;
        let counts = viewer.counts(
            world.hub.live().channels[viewer.camera].newest_number(viewer.delay, world.now()),
        );
        total.add(&counts);
        let link = world
            .link(key)
            .ok_or_else(|| {
                format!(
                    "#{}: a viewer in the hub is closed in the model",
                    key.number
                )
            })?
            .borrow();
        let viewing = link
            .transcript
            .viewing
            .as_ref()
            .filter(|_| link.shut_at.is_none());
        let viewing = viewing
            .ok_or_else(|| format!("#{}: a viewer in the hub is none in the model", key.number))?;
        let in_flight = connection
            .queue
            .in_flight()
            .is_some_and(|(frame, _)| !frame.is_repeat);
        let waiting = balance(&counts) - i64::from(in_flight);
        if !(0..=1).contains(&waiting) || known(&counts) != known(&viewing.counts) {
            let (key, known) = (key.number, &viewing.counts);
            return Err(format!(
                "N5: #{key}: {waiting} frames wait, expected 0 or 1; hub {counts:?}, model {known:?}"
            ));
        }
    }
    let mut all = model.closed;
    let mut watching = 0;
    for (_, link) in &world.links {
        let link = link.borrow();
        let Some(viewing) = &link.transcript.viewing else {
            continue;
        };
        all.add(&viewing.counts);
        watching += usize::from(link.shut_at.is_none());
    }
    if known(&total) != known(&all) {
        return Err(format!("N5: the sums: hub {total:?}, model {all:?}"));
    }
    if [viewers, world.hub.live().viewers()] == [watching; 2] {
        Ok(total)
    } else {
        Err(format!(
            "the hub counts {} viewers and lists {viewers}, the model has {watching}",
            world.hub.live().viewers()
        ))
    }
}

/// N5: the server reports these sums.
pub fn sums_are_reported(world: &World) -> Result<FrameCounts, String> {
    let sums = frames_add_up(world, &world.model.borrow())?;
    let server = Server {
        drivers: vec![Driver::default(); world.hub.live().channels.len()],
        ..Server::default()
    };
    let reported = Snapshot::new(&world.hub, server, Some(&[]), world.now()).frames;
    if sums == reported {
        Ok(sums)
    } else {
        Err(format!("N5: reported {reported:?}, sums {sums:?}"))
    }
}

/// The counts that the model knows: all but the skipped frames.
fn known(counts: &FrameCounts) -> [u64; 4] {
    [
        counts.offered,
        counts.delivered,
        counts.repeated,
        counts.cut,
    ]
}

fn balance(counts: &FrameCounts) -> i64 {
    let out = counts.delivered + counts.skipped_slow + counts.skipped_rate + counts.cut;
    counts.offered as i64 - out as i64
}

/// Checks that exactly the viewers, waiting requests and endless bodies are subscribed to their
/// topics, and that missed events are counted.
fn subscribers_add_up(world: &World, model: &Model) -> Result<(), String> {
    let frames = (0..model.cameras.len()).map(|camera| Topic::Frames { camera });
    for topic in frames.chain([Topic::State, Topic::Loop]) {
        let known = world
            .links
            .iter()
            .filter(|(_, link)| link.borrow().follows(topic))
            .count();
        let subscribed = world.hub.subscribers(topic);
        if known != subscribed {
            return Err(format!(
                "subscribers of {topic:?}: hub {subscribed}, model {known}"
            ));
        }
    }
    match world.hub.live().totals.events_missed {
        missed if missed == model.missed => Ok(()),
        missed => Err(format!(
            "missed events: hub {missed}, model {}",
            model.missed
        )),
    }
}

/// Checks that old frames fit their limit, by the hub's count and by the model's.
fn memory_is_bounded(world: &World, model: &Model) -> Result<(), String> {
    let cleared: usize = model
        .cameras
        .iter()
        .map(|camera| camera.cleared_bytes)
        .sum();
    let most = model.limits.retained_bytes_max + cleared;
    let mut held = BTreeMap::new();
    for (_, link) in &world.links {
        let link = link.borrow();
        let old = link
            .transcript
            .frames_held()
            .filter(|frame| !model.cameras[frame.camera].keeps(frame));
        held.extend(old.map(|frame| ((frame.camera, frame.number), frame.len())));
    }
    let (counted, held) = (
        world.hub.live().retained.bytes(),
        held.values().sum::<usize>(),
    );
    if counted.max(held) <= most {
        Ok(())
    } else {
        Err(format!(
            "retained bytes: hub {counted}, model {held}, limit {most}"
        ))
    }
}

/// Checks that a waiting request was handed out again for a reason.
pub fn asked_again(wait: &Wait, call: &Call, model: &Model) -> Result<(), String> {
    let is_served = model.cameras[wait.camera].sequence > wait.after;
    if wait.message.path != call.request.path {
        return Err(format!(
            "{} was waiting, and {} is handed out",
            wait.message.path, call.request.path
        ));
    }
    match call.waited {
        true if wait.has_failed || model.is_stopping() || model.now >= wait.until => Ok(()),
        false if is_served => Ok(()),
        _ => Err("a waiting request is handed out again too early".into()),
    }
}

/// Checks that a connection was closed for a reason. Its frame in flight is cut.
pub fn on_close(world: &World, link: &Link) -> Result<(), String> {
    let model = &mut *world.model.borrow_mut();
    if let Some(viewing) = &link.transcript.viewing {
        model.closed.add(&viewing.counts);
        model.closed.cut += u64::from(viewing.part.is_some_and(|(_, is_repeat)| !is_repeat));
    }
    if has_reason(world, link, model) {
        Ok(())
    } else {
        Err(format!(
            "connection {} was closed without a reason",
            link.id
        ))
    }
}

fn has_reason(world: &World, link: &Link, model: &Model) -> bool {
    let transcript = &link.transcript;
    let viewing = transcript.viewing.as_ref();
    let is_streamed_to = viewing.map_or(transcript.is_subscriber(), |viewing| !viewing.is_ending);
    let has_all = !is_streamed_to && !transcript.has_reply_due();
    let has_lingered = link.shut_at.is_some() && link.drained > model.limits.linger_bytes_max;
    let holds_frames = viewing.is_some() || transcript.frames_held().next().is_some();
    let is_over_retained_limit =
        holds_frames && world.hub.live().totals.closed.retained_limit > world.retained_limit_before;
    // Without a frame to write, no write can fail.
    let is_unseen = |viewing: &Viewing| {
        let shown = model.cameras[viewing.camera].shown(viewing.delay, model.now);
        shown.is_none() && model.now >= viewing.since + model.limits.wait_timeout
    };
    link.reset
        || link.had_hangup
        || (link.end_consumed && (has_all || viewing.is_some_and(is_unseen)))
        || has_lingered
        || is_over_retained_limit
        || deadlines(link, model).any(|deadline| deadline.is_closed && model.now >= deadline.at)
        || (is_receiving(link) && model.is_stopping() && !is_last_called(link, model))
}
