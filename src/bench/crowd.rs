//! The loop that a crowd of viewers lives in.
//!
//! A [`Crowd`] is led by three verbs: [`join`](Crowd::join) until everybody watches,
//! [`watch`](Crowd::watch) for a while that does not count, [`measure`](Crowd::measure) for one
//! that does. Each of them is the same turn of the same loop, with another reason to stop.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use slab::Slab;
use socket2::SockRef;

use super::BenchError;
use super::ledger::Ledger;
use super::outcome::{Fps, Group, Outcome};
use super::parser::{Scrutiny, Tally};
use super::plan::{Plan, Target};
use super::process::{FamilyUsage, Meter, Usage};
use super::progress::Moment;
use super::viewer::{ByRole, Desk, Rest, Role, State, Viewer};

/// The one buffer that all viewers read into: large enough for a whole picture at a time, small
/// enough for a cache.
const READ_BUFFER_BYTES: usize = 256 * 1024;

/// Bytes a fast viewer reads before the others have their turn.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// Events taken from the kernel at a time.
const EVENTS_MAX: usize = 1024;

/// How often viewers join, leave and read slowly.
const TICK: Duration = Duration::from_millis(10);

/// Viewers that the server has yet to answer, at a time. Many servers listen with a backlog of 128;
/// past it a handshake is dropped and tried again a second later, and then joining would be slow
/// for no fault of the stream's.
const UNANSWERED_MAX: usize = 100;

/// A viewer without a picture after this time has failed.
const JOINING_TIME_MAX: Duration = Duration::from_secs(10);

/// How long a passing viewer stays.
const PASSING_TIME: Duration = Duration::from_secs(1);

/// How often processes are looked at, and how often whoever waits is told where the run stands.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// Connections from one loopback address. The usual range of ports holds 28,232, and some are in
/// use elsewhere.
const CONNECTIONS_PER_SOURCE_MAX: usize = 20_000;

/// Source addresses, 127.0.0.1 and on.
const SOURCES_MAX: usize = 250;

/// Open files besides the viewers: standard streams, the poll and what reading `/proc` takes.
const OTHER_FILES: u64 = 64;

/// A crowd of viewers in one loop.
pub struct Crowd {
    plan: Plan,
    target: Target,
    poll: Poll,
    viewers: Slab<Viewer>,
    /// Roles that have yet to be filled.
    recruits: ByRole<usize>,
    /// Viewers whose budget ended before what the kernel had for them.
    owed: Vec<usize>,
    opened: usize,
    buffer: Vec<u8>,
    ledger: Ledger,
    /// What viewers were that have been removed.
    departed: ByRole<Group>,
    first_failure: Option<String>,
    joining_time: Duration,
    next_tick: Instant,
    churn: Churn,
    /// Nobody of those who were to stay is left.
    is_deserted: bool,
}

/// Passing viewers come from a moment on; how many have come tells how many are due.
struct Churn {
    since: Option<Instant>,
    arrived: usize,
}

impl Crowd {
    /// Prepares a crowd; nobody has joined yet. Fails on a plan without sense, an address that
    /// cannot be resolved, a server's process that is not there, or more viewers than this process
    /// may open files for.
    pub fn gather(plan: &Plan) -> Result<Self, BenchError> {
        plan.check()?;
        let target = Target::resolve(&plan.url)?;
        raise_file_limit(plan.connections())?;
        Meters::start(plan.pid)?;
        Ok(Self {
            plan: plan.clone(),
            target,
            poll: Poll::new().map_err(BenchError::Poll)?,
            viewers: Slab::with_capacity(plan.connections()),
            recruits: ByRole {
                steady: plan.viewers,
                slow: plan.slow,
                stalled: plan.stalled,
                churn: 0,
            },
            owed: Vec::new(),
            opened: 0,
            buffer: vec![0; READ_BUFFER_BYTES],
            ledger: Ledger::new(),
            departed: ByRole::default(),
            first_failure: None,
            joining_time: Duration::ZERO,
            next_tick: Instant::now(),
            churn: Churn {
                since: None,
                arrived: 0,
            },
            is_deserted: false,
        })
    }

    /// Turns the loop until every viewer that stays has either joined or failed, which takes no
    /// longer than the pace of joining and ten seconds. Fails if the first one does, who goes
    /// alone: where it cannot watch, nobody can, and thousands need not find that out one by one.
    pub fn join(&mut self, tell: &mut dyn FnMut(Moment)) -> Result<(), BenchError> {
        let started_at = Instant::now();
        let mut others = std::mem::take(&mut self.recruits);
        if let Some(role) = Role::ALL.into_iter().find(|role| *others.of(*role) > 0) {
            *others.of_mut(role) -= 1;
            self.open(role, started_at);
            self.turn_while(Self::is_joining)?;
        }
        if let Some(why) = self.viewers.iter().find_map(|(_, viewer)| viewer.failure()) {
            return Err(BenchError::Refused {
                url: self.plan.url.clone(),
                why: why.to_owned(),
            });
        }
        self.recruits = others;
        while self.is_joining() {
            let until = Instant::now() + SAMPLE_INTERVAL;
            self.turn_while(|crowd| crowd.is_joining() && Instant::now() < until)?;
            tell(Moment::Joining {
                joined: self
                    .viewers
                    .iter()
                    .filter(|(_, viewer)| viewer.is_watching())
                    .count(),
            });
        }
        self.joining_time += started_at.elapsed();
        Ok(())
    }

    /// Turns the loop for `time`, and lets viewers pass through if the plan says so. Ends early
    /// when the server has ended the stream of everybody who was to stay.
    pub fn watch(&mut self, time: Duration) -> Result<(), BenchError> {
        let until = Instant::now() + time;
        self.churn.since.get_or_insert_with(Instant::now);
        self.turn_while(|crowd| !crowd.is_deserted && Instant::now() < until)
    }

    /// Turns the loop for `time` and returns the figures of that time alone; of less, if everybody
    /// is gone before.
    pub fn measure(
        &mut self,
        time: Duration,
        tell: &mut dyn FnMut(Moment),
    ) -> Result<Outcome, BenchError> {
        let joining_parts = self.forget_figures();
        // A server that has died since it was found has ended every stream, which is what has to be
        // told.
        let mut meters = Meters::start(self.plan.pid).or_else(|_| Meters::start(None))?;
        let started_at = Instant::now();
        while let Some(left) = time
            .checked_sub(started_at.elapsed())
            .filter(|left| !left.is_zero())
            && !self.is_deserted
        {
            self.watch(left.min(SAMPLE_INTERVAL))?;
            meters.sample();
            tell(self.measuring(started_at.elapsed()));
        }
        let seconds = started_at.elapsed().as_secs_f64();
        let (server, crowd) = meters.finish();
        Ok(Outcome {
            plan: self.plan.clone(),
            seconds,
            joining_seconds: self.joining_time.as_secs_f64(),
            joining_parts,
            steady: self.group(Role::Steady, seconds),
            slow: self.group(Role::Slow, seconds),
            stalled: self.group(Role::Stalled, seconds),
            churn: self.group(Role::Churn, seconds),
            spread: self.ledger.spread(),
            server,
            bench: crowd,
            first_failure: self.first_failure.clone(),
        })
    }

    fn turn_while(&mut self, goes_on: impl Fn(&Self) -> bool) -> Result<(), BenchError> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while goes_on(self) {
            self.turn(&mut events)?;
        }
        Ok(())
    }

    /// Waits for the kernel, lets every viewer read that can, and does what time has made due.
    fn turn(&mut self, events: &mut Events) -> Result<(), BenchError> {
        let timeout = if self.owed.is_empty() {
            self.next_tick.saturating_duration_since(Instant::now())
        } else {
            Duration::ZERO
        };
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(BenchError::Poll(error));
            }
            _ => {}
        }
        let mut owed = std::mem::take(&mut self.owed);
        for event in events.iter() {
            self.ready(event.token().0, has_hung_up(event));
        }
        owed.sort_unstable();
        owed.dedup();
        for key in owed {
            self.ready(key, false);
        }
        let now = Instant::now();
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            self.tick(now);
        }
        Ok(())
    }

    fn ready(&mut self, key: usize, hung_up: bool) {
        let Some(viewer) = self.viewers.get_mut(key) else {
            return;
        };
        let mut desk = desk(&mut self.buffer, &mut self.ledger, &self.target);
        if viewer.ready(hung_up, &mut desk) == Rest::Owed {
            self.owed.push(key);
        }
    }

    fn tick(&mut self, now: Instant) {
        let mut desk = desk(&mut self.buffer, &mut self.ledger, &self.target);
        let mut leaving = Vec::new();
        let (mut staying, mut gone) = (0, 0);
        for (key, viewer) in &mut self.viewers {
            let age = now.saturating_duration_since(viewer.opened_at);
            if viewer.is_joining() && age > JOINING_TIME_MAX {
                viewer.fail("no picture came within ten seconds".to_owned());
            }
            match viewer.role {
                Role::Slow => viewer.read_slowly(self.plan.slow_bytes_per_second, now, &mut desk),
                Role::Churn if !viewer.is_joining() && age > PASSING_TIME => leaving.push(key),
                _ => {}
            }
            if viewer.role != Role::Churn {
                staying += 1;
                gone += usize::from(matches!(viewer.state, State::Failed(_) | State::Closed));
            }
            if self.first_failure.is_none() {
                self.first_failure = viewer.failure().map(str::to_owned);
            }
        }
        self.is_deserted = staying > 0 && gone == staying && self.is_complete();
        for key in leaving {
            let viewer = self.viewers.remove(key);
            count(self.departed.of_mut(viewer.role), &viewer);
        }
        self.recruit_passing(now);
        self.open_recruits(now);
    }

    fn recruit_passing(&mut self, now: Instant) {
        let Some(since) = self.churn.since else {
            return;
        };
        let due = now.saturating_duration_since(since).as_secs_f64() * self.plan.churn_per_second;
        self.recruits.churn += (due as usize).saturating_sub(self.churn.arrived);
        self.churn.arrived = self.churn.arrived.max(due as usize);
    }

    fn open_recruits(&mut self, now: Instant) {
        let mut places = UNANSWERED_MAX.saturating_sub(self.unanswered());
        for role in Role::ALL {
            let opening = places.min(*self.recruits.of(role));
            *self.recruits.of_mut(role) -= opening;
            places -= opening;
            for _ in 0..opening {
                self.open(role, now);
            }
        }
    }

    fn open(&mut self, role: Role, now: Instant) {
        let scrutiny = if self.plan.verify {
            Scrutiny::Bytes
        } else {
            Scrutiny::Ends
        };
        let source = source_address(self.target.address.ip(), self.opened);
        self.opened += 1;
        let entry = self.viewers.vacant_entry();
        let token = Token(entry.key());
        let viewer = entry.insert(Viewer::open(
            role,
            scrutiny,
            self.target.address,
            source,
            now,
        ));
        if let Some(stream) = viewer.stream_mut() {
            // Once, and for both: an edge tells of each change, and a viewer that is never written
            // to again costs nothing.
            let registered = self.poll.registry().register(
                stream,
                token,
                Interest::READABLE | Interest::WRITABLE,
            );
            if let Err(error) = registered {
                viewer.fail(error.to_string());
            }
        }
    }

    /// Whether everybody who is to stay has at least begun to connect.
    fn is_complete(&self) -> bool {
        self.recruits.steady + self.recruits.slow + self.recruits.stalled == 0
    }

    fn is_joining(&self) -> bool {
        !self.is_complete() || self.viewers.iter().any(|(_, viewer)| viewer.is_joining())
    }

    fn unanswered(&self) -> usize {
        self.viewers
            .iter()
            .filter(|(_, viewer)| viewer.is_unanswered())
            .count()
    }

    /// Begins all counts anew. Returns how many parts the old ones held.
    fn forget_figures(&mut self) -> u64 {
        self.ledger.reset();
        let mut before = Tally::default();
        before.add(&std::mem::take(&mut self.departed).churn.tally);
        for (_, viewer) in &mut self.viewers {
            before.add(&viewer.parser.take_tally());
        }
        before.parts()
    }

    fn measuring(&self, elapsed: Duration) -> Moment {
        let damaged = self
            .viewers
            .iter()
            .map(|(_, viewer)| viewer.parser.tally().damaged)
            .sum();
        let steady = || {
            self.viewers
                .iter()
                .map(|(_, viewer)| viewer)
                .filter(|viewer| viewer.role == Role::Steady)
        };
        let frames: u64 = steady().map(|viewer| viewer.parser.tally().frames).sum();
        let watching = steady()
            .filter(|viewer| viewer.failure().is_none())
            .count()
            .max(1);
        Moment::Measuring {
            elapsed,
            fps: frames as f64 / watching as f64 / elapsed.as_secs_f64(),
            damaged,
        }
    }

    fn group(&self, role: Role, seconds: f64) -> Group {
        let mut group = self.departed.of(role).clone();
        let members = || {
            self.viewers
                .iter()
                .map(|(_, viewer)| viewer)
                .filter(|viewer| viewer.role == role)
        };
        for viewer in members() {
            count(&mut group, viewer);
        }
        if matches!(role, Role::Steady | Role::Slow) {
            let watched = members().filter(|viewer| !matches!(viewer.state, State::Failed(_)));
            group.fps = Fps::over(
                watched.map(|viewer| viewer.parser.tally().frames).collect(),
                seconds,
            );
        }
        group.frames_by_viewer = members()
            .map(|viewer| viewer.parser.tally().frames)
            .collect();
        group.mismatched = *self.ledger.mismatched.of(role);
        group.latency = self.ledger.latency.of(role).quantiles();
        group.latency_curve = self.ledger.latency.of(role).curve();
        group.first_frame = self.ledger.first_frame.of(role).quantiles();
        group
    }
}

impl Drop for Crowd {
    /// Ends what is still open by resets. Closed the polite way, thousands of connections would
    /// keep their ports for another minute (TIME_WAIT, RFC 9293, section 3.6), and the next crowd
    /// of a ramp would find none.
    fn drop(&mut self) {
        for (_, viewer) in &mut self.viewers {
            if let Some(stream) = viewer.stream_mut() {
                let _ = SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
            }
        }
    }
}

/// Adds one viewer to its group.
fn count(group: &mut Group, viewer: &Viewer) {
    group.viewers += 1;
    group.failed += usize::from(matches!(viewer.state, State::Failed(_)));
    group.closed_by_server += usize::from(matches!(viewer.state, State::Closed));
    group.tally.add(viewer.parser.tally());
}

fn desk<'a>(buffer: &'a mut [u8], ledger: &'a mut Ledger, target: &'a Target) -> Desk<'a> {
    Desk {
        buffer,
        budget: READ_BYTES_MAX,
        ledger,
        target,
    }
}

fn has_hung_up(event: &Event) -> bool {
    event.is_read_closed() || event.is_write_closed() || event.is_error()
}

/// The address that the `opened`th connection comes from. A port range is per address, so a large
/// crowd on loopback comes from several; the first may be left to the kernel.
fn source_address(target: IpAddr, opened: usize) -> Option<Ipv4Addr> {
    let source = opened / CONNECTIONS_PER_SOURCE_MAX % SOURCES_MAX;
    let is_loopback = matches!(target, IpAddr::V4(address) if address.is_loopback());
    (is_loopback && source > 0).then(|| Ipv4Addr::new(127, 0, 0, source as u8 + 1))
}

/// Raises the limit on open files as far as it may be, and says so if that is not far enough.
fn raise_file_limit(connections: usize) -> Result<(), BenchError> {
    let wanted = (connections as u64).saturating_add(OTHER_FILES);
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    if wanted > allowed {
        return Err(BenchError::FileLimit { wanted, allowed });
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).map_err(|errno| BenchError::Poll(errno.into()))
}

/// The processes whose cost is reported.
struct Meters {
    server: Option<Meter>,
    crowd: Meter,
}

impl Meters {
    fn start(server: Option<u32>) -> Result<Self, BenchError> {
        let start = |pid| Meter::start(pid).map_err(|source| BenchError::Process { pid, source });
        Ok(Self {
            server: server.map(start).transpose()?,
            crowd: start(std::process::id())?,
        })
    }

    fn sample(&mut self) {
        self.server.iter_mut().for_each(Meter::sample);
        self.crowd.sample();
    }

    fn finish(self) -> (Option<FamilyUsage>, Usage) {
        (self.server.map(Meter::finish), self.crowd.finish().own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_crowd_on_loopback_comes_from_several_addresses() {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(source_address(loopback, 19_999), None);
        assert_eq!(
            source_address(loopback, 20_000),
            Some(Ipv4Addr::new(127, 0, 0, 2))
        );
        assert_eq!(
            source_address(loopback, 59_999),
            Some(Ipv4Addr::new(127, 0, 0, 3))
        );
        assert_eq!(source_address(IpAddr::from([192, 0, 2, 1]), 20_000), None);
    }
}
