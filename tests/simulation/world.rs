//! One seed's world: the hub, its peers, its cameras and the clock, and the step that moves them all.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use framecast::hub::Shot;
use framecast::hub::{Hub, Key, Limits, Readiness, Tick, Topic, Wake};
use framecast::stream::Peer;
use framecast::wire::facts::{Sequence, WallTime};
use framecast::wire::jpeg::Picture;

use crate::backlog::Backlog;
use crate::checks;
use crate::ledger::{BOUNDARY, Ledger, Published, jpeg};
use crate::link::{End, Link};
use crate::manner::Manner;
use crate::random::Random;
use crate::script::Writer;
use crate::site::{self, Desk};
use crate::source::{Act, Source};

/// Where simulated time begins; it only ever moves by what a seed draws.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Turns after which the hub must have come to rest, once nothing happens any more.
const TURNS_MAX: usize = 20_000;

/// The connections that are not closed.
pub type Links = Vec<(Key, Rc<RefCell<Link>>)>;

pub struct World {
    pub hub: Hub<End>,
    pub ledger: Rc<RefCell<Ledger>>,
    /// The connections there are.
    pub links: Links,
    pub backlog: Backlog,
    pub weather: Weather,
    /// Turns that did nothing though the hub said there was work.
    pub idle_turns: usize,
    pub pinned_before: u64,
    is_calm: bool,
    is_tracing: bool,
    random: Random,
    sources: Vec<Source>,
    writer: Writer,
    gone: Vec<Key>,
    step: usize,
    admitted: u64,
}

/// What one seed draws for itself.
#[derive(Debug)]
pub struct Weather {
    peers_max: usize,
    arrivals: usize,
    faults: usize,
    spurious: usize,
    late: usize,
    /// Whether the end comes in the middle of it all.
    pub is_rough_ending: bool,
    tick_us: usize,
    leaps: usize,
}

impl Weather {
    fn draw(random: &mut Random) -> Self {
        Self {
            peers_max: random.between(1, 24),
            arrivals: random.pick(&[20, 100, 500]),
            faults: random.pick(&[0, 100, 500, 1000]),
            spurious: random.pick(&[0, 20, 200]),
            late: random.pick(&[0, 100, 500]),
            is_rough_ending: random.chance(250),
            tick_us: random.up_to(60_000),
            leaps: random.pick(&[0, 5, 30]),
        }
    }
}

fn draw_limits(random: &mut Random) -> Limits {
    Limits {
        history_span: Duration::from_millis(random.pick(&[0, 0, 1_000, 5_000])),
        history_bytes_max: random.pick(&[10_000, 1 << 30]),
        requests_per_connection_max: random.pick(&[1, 3, 100]),
        frames_pinned_bytes_max: random.up_to(1 << 22).max(2_000),
        read_budget_bytes: random.pick(&[64, 1_000, 16 * 1024]),
        sign_of_life_after: Duration::from_millis(random.pick(&[300, 15_000])),
        produce_budget_bytes: random.pick(&[1, 20_000, 64 * 1024]),
        write_budget_bytes: random.pick(&[500, 10_000, 256 * 1024]),
        ..Limits::default()
    }
}

impl World {
    pub fn new(mut random: Random, is_tracing: bool) -> Self {
        let cameras = random.between(1, 3);
        let limits = draw_limits(&mut random);
        let weather = Weather::draw(&mut random);
        let delay = limits.history_span.mul_f64(random.pick(&[0.1, 0.5, 1.0]));
        Self {
            writer: Writer::new(cameras, limits.request_timeout, !limits.history_span.is_zero()),
            hub: Hub::new(cameras, BOUNDARY, limits),
            ledger: Rc::new(RefCell::new(Ledger::new(cameras, delay, *BEGINNING))),
            links: Vec::new(),
            backlog: Backlog::new(weather.peers_max),
            weather,
            idle_turns: 0,
            pinned_before: 0,
            is_calm: false,
            is_tracing,
            sources: (0..cameras).map(|_| Source::draw(&mut random)).collect(),
            random,
            gone: Vec::new(),
            step: 0,
            admitted: 0,
        }
    }

    pub fn link(&self, key: Key) -> Option<&Rc<RefCell<Link>>> {
        self.links.iter().find(|(known, _)| *known == key).map(|(_, link)| link)
    }

    /// Whether something is still to be drawn.
    pub fn goes_on(&self) -> bool {
        self.random.goes_on()
    }

    /// How many cameras there are.
    pub fn cameras(&self) -> usize {
        self.sources.len()
    }

    pub fn now(&self) -> Instant {
        self.ledger.borrow().now
    }

    pub fn elapsed(&self) -> Duration {
        self.now() - *BEGINNING
    }

    fn trace(&self, words: impl FnOnce() -> String) {
        if self.is_tracing {
            println!("{:>5} {:>12.6} s  {}", self.step, self.elapsed().as_secs_f64(), words());
        }
    }

    /// One step: the clock, the peers and the cameras move, and the loop goes around if anything wakes it.
    pub fn step(&mut self) -> Result<(), String> {
        self.step += 1;
        self.advance();
        for (_, link) in &self.links {
            link.borrow_mut().tick();
        }
        if !self.is_calm && self.random.chance(self.weather.arrivals) && self.backlog.waiting < 20 {
            (0..self.random.up_to(4)).for_each(|_| self.backlog.arrive());
        }
        if self.random.chance(10) {
            self.backlog.descriptors = self.random.between(0, self.weather.peers_max);
        }
        let acts = self.cameras_act();
        self.around(acts)
    }

    /// Nothing goes wrong from now on.
    pub fn calm_down(&mut self) {
        self.is_calm = true;
        self.weather.late = 0;
        self.weather.spurious = 0;
        self.backlog.descriptors = usize::MAX;
        for (_, link) in &self.links {
            link.borrow_mut().calm_down();
        }
    }

    /// One step of calm: time passes, and each camera gives a frame if it is `live`.
    pub fn calm_step(&mut self, time: Duration, live: bool) -> Result<(), String> {
        self.step += 1;
        self.ledger.borrow_mut().now += time;
        for (_, link) in &self.links {
            link.borrow_mut().tick();
        }
        let mut acts = Vec::new();
        for camera in (0..self.sources.len()).filter(|_| live) {
            let sequence = self.ledger.borrow().cameras[camera].sequence;
            acts.push((camera, self.sources[camera].frame(&mut self.random, sequence)));
        }
        self.around(acts)
    }

    /// Whether somebody has part of a reply, and may ask for more behind it.
    pub fn is_in_the_middle_of_a_reply(&self) -> bool {
        self.links.iter().any(|(_, link)| {
            let link = link.borrow();
            link.transcript.is_mid_chunk() && link.transcript.is_reply() && !link.script.is_over
        })
    }

    /// The hub is told to go down.
    pub fn shut_down(&mut self) {
        self.trace(|| "going down".into());
        self.look_back();
        let now = self.now();
        self.ledger.borrow_mut().stopping = true;
        self.ledger.borrow_mut().stopping_at = Some(now);
        self.ledger.borrow_mut().last_call_until = Some(now + self.hub.limits().last_call_timeout);
        for (_, link) in &self.links {
            let transcript = &mut link.borrow_mut().transcript;
            if let Some(body) = transcript.body.take_if(|body| body.is_endless) {
                transcript.expect(body.end());
            }
        }
        self.hub.shut_down(now);
    }

    /// Lets the loop go around as long as there is work that waits for nothing.
    pub fn settle(&mut self) -> Result<(), String> {
        for _ in 0..TURNS_MAX {
            if self.sleeps() {
                return Ok(());
            }
            self.calm_step(Duration::ZERO, false)?;
        }
        Err(format!("the hub is not at rest after {TURNS_MAX} turns"))
    }

    fn advance(&mut self) {
        let now = self.now();
        let mut time = Duration::from_micros(self.random.below(self.weather.tick_us) as u64);
        if self.random.chance(300) {
            time = Duration::ZERO;
        } else if self.random.chance(self.weather.leaps) {
            let deadline = match self.hub.next_wake() {
                Wake::At(at) => at.saturating_duration_since(now),
                Wake::Now | Wake::OnInput => Duration::ZERO,
            };
            time = match self.random.below(4) {
                0 => deadline,
                1 => deadline.saturating_sub(Duration::from_nanos(1)),
                2 => deadline + Duration::from_micros(self.random.up_to(100_000) as u64),
                _ => Duration::from_millis(self.random.up_to(6_000) as u64),
            };
        }
        self.ledger.borrow_mut().now += time;
    }

    fn cameras_act(&mut self) -> Vec<(usize, Act)> {
        let mut acts = Vec::new();
        for camera in 0..self.sources.len() {
            let sequence = self.ledger.borrow().cameras[camera].sequence;
            if let Some(act) = self.sources[camera].act(&mut self.random, sequence) {
                acts.push((camera, act));
                if self.random.chance(50) {
                    acts.push((camera, self.sources[camera].frame(&mut self.random, sequence)));
                }
            }
        }
        acts
    }

    /// Goes around once, unless the loop would sleep on.
    fn around(&mut self, acts: Vec<(usize, Act)>) -> Result<(), String> {
        let has_events = self.links.iter().any(|(_, link)| link.borrow().has_event());
        let wakes = self.backlog.wakes(self.links.len(), &self.ledger.borrow());
        if !acts.is_empty() || has_events || wakes || !self.sleeps() {
            let moves = self.ledger.borrow().moves;
            self.turn(acts)?;
            let is_idle = moves == self.ledger.borrow().moves && !self.sleeps();
            self.idle_turns = if is_idle { self.idle_turns + 1 } else { 0 };
        }
        checks::after_step(self)
    }

    /// Whether the loop would wait now, and not come straight back.
    pub fn sleeps(&self) -> bool {
        !self.hub.next_wake().is_due(self.now())
    }

    /// The inputs of a turn, in any order, and the turn.
    fn turn(&mut self, mut acts: Vec<(usize, Act)>) -> Result<(), String> {
        let now = self.now();
        self.ledger.borrow_mut().turn_begins();
        self.pinned_before = self.hub.totals().closed.pinned;
        let mut newcomers = self.backlog.accept(self.links.len(), &self.ledger.borrow());
        for (key, readiness) in self.batch() {
            self.trace(|| format!("event for #{} in slot {}: {readiness:?}", key.number, key.slot));
            self.ledger.borrow_mut().moves += 1;
            if let Some(link) = self.link(key) {
                link.borrow_mut().told(readiness);
            }
            self.hub.ready(key, readiness);
            // A camera's pipe is one event among the others; so, once, were newcomers, and a slot must not care.
            if !acts.is_empty() && self.random.chance(100) {
                let (camera, act) = acts.remove(0);
                self.perform(camera, act);
            }
            if newcomers > 0 && self.random.chance(300) {
                newcomers -= 1;
                self.admit();
            }
        }
        (0..newcomers).for_each(|_| self.admit());
        acts.into_iter().for_each(|(camera, act)| self.perform(camera, act));
        self.announce();
        self.turn_hub(now)
    }

    /// The hub's turn, and what it leaves.
    fn turn_hub(&mut self, now: Instant) -> Result<(), String> {
        self.look_back();
        for (_, link) in &self.links {
            link.borrow_mut().transcript.viewing.iter_mut().for_each(|viewing| viewing.turn(now));
        }
        let desk = Desk { links: &self.links, ledger: &self.ledger, is_tracing: self.is_tracing };
        let turned = self.hub.turn(Tick::at(now), || now, |call, hub| desk.reply(call, hub));
        self.outdate_all();
        self.reap(turned.closed)
    }

    /// The events of one batch: true ones in any order, some of them late; false ones, for anybody who is or was here.
    fn batch(&mut self) -> Vec<(Key, Readiness)> {
        let mut batch = Vec::new();
        for (key, link) in &self.links {
            let link = &mut *link.borrow_mut();
            if link.has_event() && !self.random.chance(self.weather.late) {
                batch.push((*key, link.take_event()));
            }
            if self.random.chance(self.weather.spurious) {
                let drawn = self.random.below(4);
                let readiness = Readiness { readable: drawn & 1 > 0, writable: drawn & 2 > 0, gone: false };
                batch.push((*key, readiness));
            }
        }
        if !self.gone.is_empty() && self.random.chance(self.weather.spurious) {
            let readiness = Readiness { readable: true, writable: true, gone: self.random.chance(500) };
            batch.push((self.random.pick(&self.gone), readiness));
        }
        self.random.shuffle(&mut batch);
        batch
    }

    fn admit(&mut self) {
        let sequences: Vec<u64> = self.ledger.borrow().cameras.iter().map(|camera| camera.sequence).collect();
        let script = self.writer.draw(&mut self.random, &sequences);
        let manner = if self.is_calm { Manner::calm() } else { Manner::draw(&mut self.random, self.weather.faults) };
        let now = self.now();
        let mut link = Link::new(self.admitted, manner, script, self.random.fork(), now);
        link.tick();
        self.admitted += 1;
        let link = Rc::new(RefCell::new(link));
        let limits = self.hub.limits();
        let linger = (limits.linger_timeout, limits.linger_bytes_max);
        let end = End { link: link.clone(), ledger: self.ledger.clone(), linger };
        let Ok(key) = self.hub.admit(Peer::Local, now, |_| Ok(end)) else { return };
        self.trace(|| format!("#{} comes to slot {}: {:?}", key.number, key.slot, link.borrow().manner));
        self.links.push((key, link));
        self.ledger.borrow_mut().moves += 1;
    }

    fn perform(&mut self, camera: usize, act: Act) {
        let now = self.now();
        self.trace(|| format!("camera {camera}: {act:?}"));
        match act {
            Act::Frame { bytes, sequence } => self.publish(camera, bytes, sequence, true),
            Act::StandIn { bytes } => self.publish(camera, bytes, None, false),
            Act::GiveUp => {
                for (_, link) in &self.links {
                    if let Some(wait) = link.borrow_mut().wait.as_mut().filter(|wait| wait.camera == camera) {
                        wait.is_given_up = true;
                    }
                }
                self.hub.give_up(camera, now);
            }
            Act::Retract => {
                self.ledger.borrow_mut().cameras[camera].retract();
                self.hub.retract(camera);
            }
        }
    }

    /// The server tells of itself, while anybody listens.
    fn announce(&mut self) {
        for topic in [Topic::State, Topic::Loop] {
            let is_followed = self.hub.journal().is_followed(topic);
            let ledger = &mut *self.ledger.borrow_mut();
            if is_followed && self.random.chance(100) {
                ledger.journal_id += 1;
                let data = format!("{{\"is\":{}}}", "1".repeat(self.random.up_to(4_000)));
                let news = Some((ledger.journal_id, data.clone()));
                if topic == Topic::State {
                    ledger.state = news
                } else {
                    ledger.turns = news
                }
                self.hub.announce(topic, data.into());
            }
        }
    }

    fn publish(&mut self, camera: usize, bytes: usize, given: Option<u64>, is_live: bool) {
        let now = self.now();
        let mut ledger = self.ledger.borrow_mut();
        let last = ledger.cameras[camera].sequence;
        let sequence = given.filter(|&given| given > last).unwrap_or(last + 1);
        let jpeg = jpeg(camera, sequence, bytes);
        let captured_wall = WallTime::nearest(site::captured_at(sequence));
        let number = ledger.cameras[camera].published + 1;
        let frame = Published::new(camera, (number, sequence), captured_wall.since_epoch(), now, is_live, jpeg);
        ledger.cameras[camera].sequence = sequence;
        let frame = Rc::new(frame);
        ledger.cameras[camera].show(frame.clone(), is_live);
        if is_live {
            ledger.record(camera, sequence, captured_wall.since_epoch(), bytes);
        }
        drop(ledger);
        self.shown(camera);
        if !self.hub.limits().history_span.is_zero() {
            self.ledger.borrow_mut().cameras[camera].history.push_back(frame);
            self.outdate(camera);
            self.look_back();
        }
        let picture = Picture { width: 4, height: 3, huffman_tables: true };
        let shot = Shot { jpeg, picture, captured_wall, age: Duration::ZERO, sequence: given.and_then(Sequence::new) };
        match is_live {
            true => self.hub.publish(camera, shot, now),
            false => self.hub.stand_in(camera, shot, now),
        }
    }

    /// The connections that the hub has closed.
    fn reap(&mut self, closed: Vec<End>) -> Result<(), String> {
        self.ledger.borrow_mut().reaping = true;
        for end in &closed {
            let place = self.links.iter().position(|(_, link)| Rc::ptr_eq(link, &end.link));
            let (key, link) = self.links.swap_remove(place.ok_or("a connection is closed twice")?);
            self.trace(|| format!("#{} is closed", key.number));
            self.gone.push(key);
            self.gone.drain(..self.gone.len().saturating_sub(8));
            checks::on_close(self, &link.borrow())?;
        }
        if !closed.is_empty() {
            self.backlog.freed();
            self.ledger.borrow_mut().moves += 1;
        }
        drop(closed);
        self.ledger.borrow_mut().reaping = false;
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What is left is closed with the hub.
        self.ledger.borrow_mut().reaping = true;
    }
}
