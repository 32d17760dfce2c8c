//! The world of one seed: the hub, its peers, its cameras and the clock, and the step that moves
//! them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use framecast::hub::{Hub, Key, Limits, Readiness, Tick, Wake};
use framecast::stream::{Captured, Peer, Topic};
use framecast::wire::jpeg::Picture;
use framecast::wire::metadata::{Sequence, WallTime};

use crate::answers::{self, Site};
use crate::checks;
use crate::link::{End, Link};
use crate::model::{BOUNDARY, Model, jpeg};
use crate::profile::Profile;
use crate::random::Random;
use crate::script::Writer;
use crate::source::{Act, Source};

/// The start of simulated time. The seed decides how much time passes in each step.
pub static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Turns after which the hub must be at rest if nothing happens.
const TURNS_MAX: usize = 20_000;

/// The open connections.
pub type Links = Vec<(Key, Rc<RefCell<Link>>)>;

pub struct World {
    pub hub: Hub<End>,
    pub model: Rc<RefCell<Model>>,
    pub links: Links,
    pub fault_profile: FaultProfile,
    /// Turns in a row that did nothing although the hub asked for them.
    pub idle_turns: usize,
    /// Connections closed for retained frames, before this turn.
    pub retained_limit_before: u64,
    /// Peers that connect in this step.
    connecting: usize,
    is_calm: bool,
    is_verbose: bool,
    random: Random,
    sources: Vec<Source>,
    writer: Writer,
    gone: Vec<Key>,
    pub step: usize,
    admitted: u64,
}

/// The faults of one world. Chances are per thousand.
#[derive(Debug)]
pub struct FaultProfile {
    peers_max: usize,
    arrivals: usize,
    faults: usize,
    spurious: usize,
    late: usize,
    /// The hub is shut down while the faults go on.
    pub ends_with_faults: bool,
    tick_us: usize,
    leaps: usize,
}

impl FaultProfile {
    fn draw(random: &mut Random) -> Self {
        Self {
            peers_max: random.between(1, 20),
            arrivals: random.pick(&[20, 100, 500]),
            faults: random.pick(&[0, 100, 500, 1000]),
            spurious: random.pick(&[0, 20, 200]),
            late: random.pick(&[0, 100, 500]),
            ends_with_faults: random.chance(250),
            tick_us: random.up_to(60_000),
            leaps: random.pick(&[0, 20, 50]),
        }
    }
}

fn draw_limits(random: &mut Random) -> Limits {
    Limits {
        history_span: Duration::from_millis(random.pick(&[0, 0, 1_000, 5_000])),
        history_bytes_max: random.pick(&[10_000, 1 << 30]),
        requests_per_connection_max: random.pick(&[1, 3, 100]),
        retained_bytes_max: random.up_to(1 << 22).max(2_000),
        read_budget_bytes: random.pick(&[64, 1_000, 16 * 1024]),
        keep_alive_after: Duration::from_millis(random.pick(&[300, 15_000])),
        make_budget_bytes: random.pick(&[1, 20_000, 64 * 1024]),
        sends_per_turn_max: random.pick(&[4, 20, 256]),
        write_budget_bytes: random.pick(&[500, 10_000, 256 * 1024]),
        linger_bytes_max: random.pick(&[1_000, 64 * 1024]),
        ..Limits::default()
    }
}

impl World {
    pub fn new(mut random: Random, is_verbose: bool) -> Self {
        let cameras = random.between(1, 3);
        let limits = draw_limits(&mut random);
        let fault_profile = FaultProfile::draw(&mut random);
        let delay = limits.history_span.mul_f64(random.pick(&[0.1, 0.5, 1.0]));
        Self {
            writer: Writer::new(cameras, !limits.history_span.is_zero()),
            hub: Hub::new(cameras, BOUNDARY, limits.clone()),
            model: Rc::new(RefCell::new(Model::new(cameras, limits, delay))),
            links: Vec::new(),
            connecting: 0,
            fault_profile,
            idle_turns: 0,
            retained_limit_before: 0,
            is_calm: false,
            is_verbose,
            sources: (0..cameras).map(|_| Source::draw(&mut random)).collect(),
            random,
            gone: Vec::new(),
            step: 0,
            admitted: 0,
        }
    }

    pub fn link(&self, key: Key) -> Option<&Rc<RefCell<Link>>> {
        self.links
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, link)| link)
    }

    /// Whether the trace has bytes left; a seed has no end.
    pub fn has_more(&self) -> bool {
        self.random.has_more()
    }

    /// The hub's time.
    pub fn now(&self) -> Instant {
        *BEGINNING + self.model.borrow().now
    }

    fn log(&self, message: impl FnOnce() -> String) {
        if self.is_verbose {
            println!(
                "{:>5} {:>12.6} s  {}",
                self.step,
                self.model.borrow().now.as_secs_f64(),
                message()
            );
        }
    }

    /// One step: time passes, peers and cameras act, and the hub takes a turn if it is woken.
    pub fn step(&mut self) -> Result<(), String> {
        let time = self.time();
        if self.random.chance(self.fault_profile.arrivals) && !self.model.borrow().is_stopping() {
            let room = self
                .fault_profile
                .peers_max
                .saturating_sub(self.links.len());
            self.connecting = self.random.up_to(4).min(room);
        }
        let acts = self.cameras_act();
        self.around(time, acts)
    }

    /// Stops all faults.
    pub fn calm_down(&mut self) {
        self.is_calm = true;
        self.fault_profile.late = 0;
        self.fault_profile.spurious = 0;
        for (_, link) in &self.links {
            link.borrow_mut().calm_down();
        }
    }

    /// One step without faults: time passes, and if `live`, each camera publishes a frame.
    pub fn calm_step(&mut self, time: Duration, live: bool) -> Result<(), String> {
        let cameras = if live { self.sources.len() } else { 0 };
        let acts = (0..cameras)
            .map(|camera| (camera, self.frame(camera)))
            .collect();
        self.around(time, acts)
    }

    /// Whether a peer has part of a reply, and may send another request behind it.
    pub fn is_in_the_middle_of_a_reply(&self) -> bool {
        self.links.iter().any(|(_, link)| {
            let Link {
                transcript, script, ..
            } = &*link.borrow();
            let is_reply = transcript.viewing.is_none() && transcript.body.is_none();
            is_reply && transcript.is_mid_chunk() && !script.is_over
        })
    }

    /// Shuts the hub down.
    pub fn shut_down(&mut self) {
        self.log(|| "shutting down".into());
        let now = self.now();
        let time = self.model.borrow().now;
        self.model.borrow_mut().stopping_at = Some(time);
        self.update_viewings(true);
        for (_, link) in &self.links {
            let transcript = &mut link.borrow_mut().transcript;
            if let Some(body) = transcript.body.take_if(|body| body.is_endless) {
                transcript.expect(body.end(), None);
            }
        }
        self.hub.shut_down(now);
    }

    /// Takes turns as long as the hub has work that needs no event and no timer.
    pub fn settle(&mut self) -> Result<(), String> {
        for _ in 0..TURNS_MAX {
            if self.sleeps() {
                return Ok(());
            }
            self.calm_step(Duration::ZERO, false)?;
        }
        Err(format!("the hub is not at rest after {TURNS_MAX} turns"))
    }

    /// Draws the time that passes in a step: little, until about a deadline, or seconds.
    fn time(&mut self) -> Duration {
        let time = Duration::from_micros(self.random.below(self.fault_profile.tick_us) as u64);
        if self.random.chance(300) {
            return Duration::ZERO;
        }
        if !self.random.chance(self.fault_profile.leaps) {
            return time;
        }
        if self.random.chance(400) {
            // Peers read again just as the deadline passes.
            self.links
                .iter()
                .for_each(|(_, link)| link.borrow_mut().recover());
        }
        let deadline = match self.hub.next_wake() {
            Wake::At(at) => at.saturating_duration_since(self.now()),
            Wake::Now | Wake::OnInput => Duration::ZERO,
        };
        match self.random.below(4) {
            0 => deadline,
            1 => deadline.saturating_sub(Duration::from_nanos(1)),
            2 => deadline + Duration::from_micros(self.random.up_to(100_000) as u64),
            _ => Duration::from_millis(self.random.up_to(6_000) as u64),
        }
    }

    fn cameras_act(&mut self) -> Vec<(usize, Act)> {
        let mut acts = Vec::new();
        for camera in 0..self.sources.len() {
            let sequence = self.model.borrow().cameras[camera].sequence;
            if let Some(act) = self.sources[camera].act(&mut self.random, sequence) {
                acts.push((camera, act));
                if self.random.chance(50) {
                    acts.push((camera, self.frame(camera)));
                }
            }
        }
        acts
    }

    fn frame(&mut self, camera: usize) -> Act {
        self.sources[camera].frame(
            &mut self.random,
            self.model.borrow().cameras[camera].sequence,
        )
    }

    /// Lets time pass, and takes a turn unless the loop would sleep.
    fn around(&mut self, time: Duration, acts: Vec<(usize, Act)>) -> Result<(), String> {
        self.step += 1;
        self.model.borrow_mut().now += time;
        self.links
            .iter()
            .for_each(|(_, link)| link.borrow_mut().tick());
        let has_events = self.links.iter().any(|(_, link)| link.borrow().has_event());
        if !acts.is_empty() || has_events || self.connecting > 0 || !self.sleeps() {
            let moves = self.model.borrow().moves;
            // A frame is work, even if no rate limit allows it yet.
            let has_acts = !acts.is_empty();
            self.turn(acts)?;
            let is_idle = !has_acts && moves == self.model.borrow().moves && !self.sleeps();
            self.idle_turns = if is_idle { self.idle_turns + 1 } else { 0 };
        }
        self.update_viewings(false);
        checks::after_step(self)
    }

    /// Whether the loop would wait for events now.
    pub fn sleeps(&self) -> bool {
        !self.hub.next_wake().is_due(self.now())
    }

    /// Gives the hub its inputs, in any order, and takes a turn.
    fn turn(&mut self, mut acts: Vec<(usize, Act)>) -> Result<(), String> {
        let now = self.now();
        self.model.borrow_mut().turn_begins();
        self.retained_limit_before = self.hub.live().totals.closed.retained_limit;
        let mut connecting = std::mem::take(&mut self.connecting);
        for (key, readiness) in self.batch() {
            self.log(|| {
                format!(
                    "event for #{} in slot {}: {readiness:?}",
                    key.number, key.slot
                )
            });
            self.model.borrow_mut().moves += 1;
            if let Some(link) = self.link(key) {
                link.borrow_mut().on_event(readiness);
            }
            self.hub.ready(key, readiness);
            // Frames and new connections may come between two events of a batch.
            if !acts.is_empty() && self.random.chance(100) {
                let (camera, act) = acts.remove(0);
                self.perform(camera, act);
            }
            if connecting > 0 && self.random.chance(300) {
                connecting -= 1;
                self.admit();
            }
        }
        (0..connecting).for_each(|_| self.admit());
        acts.into_iter()
            .for_each(|(camera, act)| self.perform(camera, act));
        self.announce();
        self.update_viewings(true);
        let site = Site {
            links: &self.links,
            model: &self.model,
            is_verbose: self.is_verbose,
        };
        let turned = self
            .hub
            .turn(Tick::at(now), || now, |call, hub| site.reply(call, hub));
        self.model.borrow_mut().turn_ends();
        self.reap(turned.closed)
    }

    /// Draws the events of one batch: true ones in any order, some late; spurious ones, also for
    /// closed connections.
    fn batch(&mut self) -> Vec<(Key, Readiness)> {
        let mut batch = Vec::new();
        for (key, link) in &self.links {
            let link = &mut *link.borrow_mut();
            if link.has_event() && !self.random.chance(self.fault_profile.late) {
                batch.push((*key, link.take_event()));
            }
            if self.random.chance(self.fault_profile.spurious) {
                let drawn = self.random.below(4);
                let readiness = Readiness {
                    readable: drawn & 1 > 0,
                    writable: drawn & 2 > 0,
                    gone: false,
                };
                batch.push((*key, readiness));
            }
        }
        if !self.gone.is_empty() && self.random.chance(self.fault_profile.spurious) {
            let readiness = Readiness {
                readable: true,
                writable: true,
                gone: self.random.chance(500),
            };
            batch.push((self.random.pick(&self.gone), readiness));
        }
        self.random.shuffle(&mut batch);
        batch
    }

    fn admit(&mut self) {
        let sequences: Vec<u64> = self
            .model
            .borrow()
            .cameras
            .iter()
            .map(|camera| camera.sequence)
            .collect();
        let script = self.writer.draw(&mut self.random, &sequences);
        let profile = if self.is_calm {
            Profile::calm()
        } else {
            Profile::draw(&mut self.random, self.fault_profile.faults)
        };
        let now = self.now();
        let mut link = Link::new(
            self.admitted,
            profile,
            script,
            self.random.fork(),
            self.model.borrow().now,
        );
        link.tick();
        self.admitted += 1;
        let link = Rc::new(RefCell::new(link));
        let end = End {
            link: link.clone(),
            model: self.model.clone(),
        };
        let Ok(key) = self.hub.admit(Peer::Local, now, |_| Ok(end)) else {
            return;
        };
        self.log(|| {
            format!(
                "#{} accepted in slot {}: {:?}",
                key.number,
                key.slot,
                link.borrow().profile
            )
        });
        self.links.push((key, link));
        self.model.borrow_mut().moves += 1;
    }

    fn perform(&mut self, camera: usize, act: Act) {
        let now = self.now();
        self.log(|| format!("camera {camera}: {act:?}"));
        match act {
            Act::Frame { bytes, sequence } => self.publish(camera, bytes, sequence, true),
            Act::Placeholder { bytes } => self.publish(camera, bytes, None, false),
            Act::FailWaiters => {
                for (_, link) in &self.links {
                    if let Some(wait) = link
                        .borrow_mut()
                        .wait
                        .as_mut()
                        .filter(|wait| wait.camera == camera)
                    {
                        wait.has_failed = true;
                    }
                }
                self.hub.fail_waiters(camera, now);
            }
            Act::Clear => {
                self.model.borrow_mut().cameras[camera].clear();
                self.hub.clear(camera);
            }
        }
    }

    /// Publishes statistics if a peer subscribes to them.
    fn announce(&mut self) {
        for topic in [Topic::State, Topic::Loop] {
            if self.hub.subscribers(topic) > 0 && self.random.chance(100) {
                let data = format!("{{\"is\":{}}}", "1".repeat(self.random.up_to(4_000)));
                self.model.borrow_mut().announce(topic, data.clone());
                self.hub.publish_figures(topic, data.into());
            }
        }
    }

    fn publish(&mut self, camera: usize, bytes: usize, given: Option<u64>, is_live: bool) {
        let now = self.now();
        let last = self.model.borrow().cameras[camera].sequence;
        let sequence = given.filter(|&given| given > last).unwrap_or(last + 1);
        let jpeg = jpeg(camera, sequence, bytes);
        let captured_wall = WallTime::nearest(answers::captured_at(sequence));
        self.model.borrow_mut().publish(
            camera,
            sequence,
            captured_wall.since_epoch(),
            is_live,
            jpeg,
        );
        self.update_viewings(false);
        let picture = Picture {
            width: 4,
            height: 3,
            huffman_tables: true,
        };
        let shot = Captured {
            jpeg,
            picture,
            captured_wall,
            age: Duration::ZERO,
            sequence: given.and_then(Sequence::new),
        };
        if is_live {
            self.hub.publish(camera, shot, now)
        } else {
            self.hub.publish_placeholder(camera, shot, now)
        }
    }

    /// Counts the frames that are offered to each viewer.
    fn update_viewings(&self, may_end: bool) {
        let model = &*self.model.borrow();
        for (_, link) in self
            .links
            .iter()
            .filter(|(key, _)| self.hub.connections().get(*key).is_some())
        {
            let viewing = &mut link.borrow_mut().transcript.viewing;
            viewing
                .iter_mut()
                .for_each(|viewing| viewing.update(may_end, model));
        }
    }

    /// Checks the connections that the hub has closed.
    fn reap(&mut self, closed: Vec<End>) -> Result<(), String> {
        self.model.borrow_mut().is_reaping = true;
        for end in &closed {
            let place = self
                .links
                .iter()
                .position(|(_, link)| Rc::ptr_eq(link, &end.link));
            let (key, link) = self
                .links
                .swap_remove(place.ok_or("a connection is closed twice")?);
            self.log(|| format!("#{} is closed", key.number));
            self.gone.push(key);
            self.gone.drain(..self.gone.len().saturating_sub(8));
            checks::on_close(self, &link.borrow())?;
        }
        if !closed.is_empty() {
            self.model.borrow_mut().moves += 1;
        }
        drop(closed);
        self.model.borrow_mut().is_reaping = false;
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The hub drops the remaining connections.
        self.model.borrow_mut().is_reaping = true;
    }
}
