//! The event loop with all viewers.
//!
//! A [`Load`] has three phases: [`join`](Load::join) connects the viewers, [`watch`](Load::watch) runs
//! without measuring, [`measure`](Load::measure) runs and measures. Each phase runs the same loop with
//! another condition to stop.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use slab::Slab;
use socket2::SockRef;

use super::BenchError;
use super::figures::Figures;
use super::outcome::{Fps, Group, Outcome};
use super::parser::{Check, Tally};
use super::plan::{Plan, Target};
use super::process::{FamilyUsage, Meter, Usage};
use super::progress::Moment;
use super::viewer::{ByRole, ReadContext, ReadResult, Role, State, Viewer};

/// The size of the buffer that all viewers read into: large enough for a whole picture, small enough
/// for the CPU's cache.
const READ_BUFFER_BYTES: usize = 256 * 1024;

/// The read budget of a fast viewer per turn, in bytes.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// Events per call of epoll_wait.
const EVENTS_MAX: usize = 1024;

/// The interval at which viewers connect and leave, and slow viewers read.
const TICK: Duration = Duration::from_millis(10);

/// The maximum number of viewers that wait for a response. Many servers have a listen backlog of 128;
/// beyond it the kernel drops a SYN, which is repeated a second later.
const UNANSWERED_MAX: usize = 100;

/// A viewer without a frame after this time has failed.
const JOINING_TIME_MAX: Duration = Duration::from_secs(10);

/// The time that a churn viewer stays.
const PASSING_TIME: Duration = Duration::from_secs(1);

/// The interval of the samples of processes, and of the progress display.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// The maximum number of connections from one loopback address. The usual range of ephemeral ports
/// has 28,232, and some are in use.
const CONNECTIONS_PER_SOURCE_MAX: usize = 20_000;

/// The number of source addresses, from 127.0.0.1 on.
const SOURCES_MAX: usize = 250;

/// Open files besides the viewers: standard streams, epoll and `/proc`.
const OTHER_FILES: u64 = 64;

/// Many viewers in one event loop.
pub struct Load {
    plan: Plan,
    target: Target,
    poll: Poll,
    viewers: Slab<Viewer>,
    /// The number of viewers to open, by role.
    pending: ByRole<usize>,
    /// Viewers whose read budget was spent: they get no further edge and must be read again.
    unfinished: Vec<usize>,
    opened: usize,
    buffer: Vec<u8>,
    figures: Figures,
    /// The figures of viewers that have left.
    closed: ByRole<Group>,
    first_failure: Option<String>,
    joining_time: Duration,
    next_tick: Instant,
    churn: Churn,
    /// Whether the streams of all steady, slow and stalled viewers have ended.
    all_closed: bool,
}

/// The churn viewers: when they began, and how many have been scheduled.
struct Churn {
    since: Option<Instant>,
    arrived: usize,
}

impl Load {
    /// Creates a load without connecting viewers.
    ///
    /// # Errors
    /// The plan is invalid, the host cannot be resolved, the server's process does not exist, or the
    /// limit of open files is too low.
    pub fn new(plan: &Plan) -> Result<Self, BenchError> {
        plan.check()?;
        let target = Target::resolve(&plan.url)?;
        raise_file_limit(plan.connections())?;
        Meters::start(plan.pid)?;
        Ok(Self {
            plan: plan.clone(),
            target,
            poll: Poll::new().map_err(BenchError::Poll)?,
            viewers: Slab::with_capacity(plan.connections()),
            pending: ByRole {
                steady: plan.viewers,
                slow: plan.slow,
                stalled: plan.stalled,
                churn: 0,
            },
            unfinished: Vec::new(),
            opened: 0,
            buffer: vec![0; READ_BUFFER_BYTES],
            figures: Figures::new(),
            closed: ByRole::default(),
            first_failure: None,
            joining_time: Duration::ZERO,
            next_tick: Instant::now(),
            churn: Churn {
                since: None,
                arrived: 0,
            },
            all_closed: false,
        })
    }

    /// Connects the viewers; returns when each has received a frame or failed. The first viewer
    /// connects alone: if it fails, all would.
    ///
    /// # Errors
    /// The first viewer failed.
    pub fn join(&mut self, report: &mut dyn FnMut(Moment)) -> Result<(), BenchError> {
        let started_at = Instant::now();
        let mut others = std::mem::take(&mut self.pending);
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
        self.pending = others;
        while self.is_joining() {
            let until = Instant::now() + SAMPLE_INTERVAL;
            self.turn_while(|bench| bench.is_joining() && Instant::now() < until)?;
            report(Moment::Joining {
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

    /// Runs the loop for `time`, with churn if the plan has some. Returns early when the server has
    /// ended the streams of all viewers.
    pub fn watch(&mut self, time: Duration) -> Result<(), BenchError> {
        let until = Instant::now() + time;
        self.churn.since.get_or_insert_with(Instant::now);
        self.turn_while(|bench| !bench.all_closed && Instant::now() < until)
    }

    /// Runs the loop for `time` and returns the figures of that time. Returns early when the server
    /// has ended the streams of all viewers.
    pub fn measure(
        &mut self,
        time: Duration,
        report: &mut dyn FnMut(Moment),
    ) -> Result<Outcome, BenchError> {
        let joining_parts = self.reset_figures();
        // If the server has died meanwhile, all its streams have ended, which is the error to report.
        let mut meters = Meters::start(self.plan.pid).or_else(|_| Meters::start(None))?;
        let started_at = Instant::now();
        while let Some(left) = time
            .checked_sub(started_at.elapsed())
            .filter(|left| !left.is_zero())
            && !self.all_closed
        {
            self.watch(left.min(SAMPLE_INTERVAL))?;
            meters.sample();
            report(self.measuring(started_at.elapsed()));
        }
        let seconds = started_at.elapsed().as_secs_f64();
        let (server, bench) = meters.finish();
        Ok(Outcome {
            plan: self.plan.clone(),
            seconds,
            joining_seconds: self.joining_time.as_secs_f64(),
            joining_parts,
            steady: self.group(Role::Steady, seconds),
            slow: self.group(Role::Slow, seconds),
            stalled: self.group(Role::Stalled, seconds),
            churn: self.group(Role::Churn, seconds),
            spread: self.figures.spread(),
            server,
            bench,
            first_failure: self.first_failure.clone(),
        })
    }

    fn turn_while(&mut self, condition: impl Fn(&Self) -> bool) -> Result<(), BenchError> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while condition(self) {
            self.turn(&mut events)?;
        }
        Ok(())
    }

    /// Waits for events, reads from all readable viewers, and handles the timer.
    fn turn(&mut self, events: &mut Events) -> Result<(), BenchError> {
        let timeout = if self.unfinished.is_empty() {
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
        let mut unfinished = std::mem::take(&mut self.unfinished);
        for event in events.iter() {
            self.ready(event.token().0, has_hung_up(event));
        }
        unfinished.sort_unstable();
        unfinished.dedup();
        for key in unfinished {
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
        let mut context = context(&mut self.buffer, &mut self.figures, &self.target);
        if viewer.ready(hung_up, &mut context) == ReadResult::BudgetSpent {
            self.unfinished.push(key);
        }
    }

    fn tick(&mut self, now: Instant) {
        let mut context = context(&mut self.buffer, &mut self.figures, &self.target);
        let mut leaving = Vec::new();
        let (mut staying, mut gone) = (0, 0);
        for (key, viewer) in &mut self.viewers {
            let age = now.saturating_duration_since(viewer.opened_at);
            if viewer.is_joining() && age > JOINING_TIME_MAX {
                viewer.fail("no frame within 10 seconds".to_owned());
            }
            match viewer.role {
                Role::Slow => {
                    viewer.read_slowly(self.plan.slow_bytes_per_second, now, &mut context)
                }
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
        self.all_closed = staying > 0 && gone == staying && self.is_complete();
        for key in leaving {
            let viewer = self.viewers.remove(key);
            count(self.closed.of_mut(viewer.role), &viewer);
        }
        self.schedule_churn(now);
        self.open_pending(now);
    }

    fn schedule_churn(&mut self, now: Instant) {
        let Some(since) = self.churn.since else {
            return;
        };
        let due = now.saturating_duration_since(since).as_secs_f64() * self.plan.churn_per_second;
        self.pending.churn += (due as usize).saturating_sub(self.churn.arrived);
        self.churn.arrived = self.churn.arrived.max(due as usize);
    }

    fn open_pending(&mut self, now: Instant) {
        let mut places = UNANSWERED_MAX.saturating_sub(self.unanswered());
        for role in Role::ALL {
            let opening = places.min(*self.pending.of(role));
            *self.pending.of_mut(role) -= opening;
            places -= opening;
            for _ in 0..opening {
                self.open(role, now);
            }
        }
    }

    fn open(&mut self, role: Role, now: Instant) {
        let check = if self.plan.verify {
            Check::Bytes
        } else {
            Check::Ends
        };
        let source = source_address(self.target.address.ip(), self.opened);
        self.opened += 1;
        let entry = self.viewers.vacant_entry();
        let token = Token(entry.key());
        let viewer = entry.insert(Viewer::open(role, check, self.target.address, source, now));
        if let Some(stream) = viewer.stream_mut() {
            // Registered once, for both directions: with edge-triggered events an idle direction costs
            // nothing.
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

    /// Whether all steady, slow and stalled viewers have been opened.
    fn is_complete(&self) -> bool {
        self.pending.steady + self.pending.slow + self.pending.stalled == 0
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

    /// Resets all counts. Returns the number of parts so far.
    fn reset_figures(&mut self) -> u64 {
        self.figures.reset();
        let mut before = Tally::default();
        before.add(&std::mem::take(&mut self.closed).churn.tally);
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
        let mut group = self.closed.of(role).clone();
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
        group.mismatched = *self.figures.mismatched.of(role);
        group.latency = self.figures.latency.of(role).quantiles();
        group.latency_curve = self.figures.latency.of(role).curve();
        group.first_frame = self.figures.first_frame.of(role).quantiles();
        group
    }
}

impl Drop for Load {
    /// Closes the connections by RST. Otherwise thousands of ports would stay in TIME_WAIT for a
    /// minute (RFC 9293, section 3.6), and the next step of a ramp would find none.
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

fn context<'a>(
    buffer: &'a mut [u8],
    figures: &'a mut Figures,
    target: &'a Target,
) -> ReadContext<'a> {
    ReadContext {
        buffer,
        budget: READ_BYTES_MAX,
        figures,
        target,
    }
}

fn has_hung_up(event: &Event) -> bool {
    event.is_read_closed() || event.is_write_closed() || event.is_error()
}

/// Returns the source address of the `opened`th connection; `None` for the kernel's choice. Each
/// loopback address has its own range of ports, so a large load needs several.
fn source_address(target: IpAddr, opened: usize) -> Option<Ipv4Addr> {
    let source = opened / CONNECTIONS_PER_SOURCE_MAX % SOURCES_MAX;
    let is_loopback = matches!(target, IpAddr::V4(address) if address.is_loopback());
    (is_loopback && source > 0).then(|| Ipv4Addr::new(127, 0, 0, source as u8 + 1))
}

/// Raises the limit of open files. Returns an error if the hard limit is too low.
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

/// The measured processes.
struct Meters {
    server: Option<Meter>,
    bench: Meter,
}

impl Meters {
    fn start(server: Option<u32>) -> Result<Self, BenchError> {
        let start = |pid| Meter::start(pid).map_err(|source| BenchError::Process { pid, source });
        Ok(Self {
            server: server.map(start).transpose()?,
            bench: start(std::process::id())?,
        })
    }

    fn sample(&mut self) {
        self.server.iter_mut().for_each(Meter::sample);
        self.bench.sample();
    }

    fn finish(self) -> (Option<FamilyUsage>, Usage) {
        (self.server.map(Meter::finish), self.bench.finish().own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_load_on_loopback_uses_several_source_addresses() {
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
