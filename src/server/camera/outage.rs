//! A camera that gives no pictures: since when, why, and what its viewers are shown meanwhile.

use std::process::Stdio;
use std::time::{Duration, Instant};

use log::Level;
use mio::Registry;
use rustix::process::Signal;

use super::{Camera, HOPELESS_FACTOR, Life, News};
use crate::clock::wall_time;
use crate::server::settings::Offline;

/// A camera may be gone for this long before its viewers are told: a driver that is back by then was never missed.
const GRACE: Duration = Duration::from_millis(500);

/// One outage, from the moment it is noticed to the next live frame.
#[derive(Debug)]
pub(super) struct Outage {
    /// The wall time it began, as a time since the Unix epoch.
    since: Duration,
    noticed_at: Instant,
    reason: String,
    /// The reason that viewers have been told.
    told: Option<String>,
}

impl Outage {
    /// An outage that has just been noticed.
    pub(super) fn new(reason: String, since: Duration, now: Instant) -> Self {
        Self { since, noticed_at: now, reason, told: None }
    }

    /// The wall time it began, as a time since the Unix epoch.
    pub(super) fn since(&self) -> Duration {
        self.since
    }

    /// Why there are no pictures.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// More has become known of why.
    pub(super) fn explain(&mut self, reason: String) {
        self.reason = reason;
    }

    /// Whether viewers have been told that the camera is offline, whatever reason was known then.
    pub(super) fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// When viewers are to be told; nothing if they have been told all there is to it.
    pub(super) fn tell_at(&self) -> Option<Instant> {
        let is_news = self.told.as_deref() != Some(self.reason.as_str());
        is_news.then_some(self.noticed_at + GRACE)
    }

    /// Viewers are being told what is known now.
    pub(super) fn told(&mut self) {
        self.told = Some(self.reason.clone());
    }
}

/// Noticing outages, and telling the viewers.
impl Camera {
    pub(super) fn attend_outage(&mut self, registry: &Registry, now: Instant) {
        let Some(fault) = self.fault(now) else { return };
        match &mut self.outage {
            Some(outage) => outage.explain(fault),
            None => self.outage = Some(Outage::new(fault, wall_time(), now)),
        }
        let Some(outage) = self.outage.as_mut() else { return };
        if self.artist.is_some() || outage.tell_at().is_none_or(|at| now < at) {
            return;
        }
        if !outage.is_told() {
            self.news.push(News::Offline);
        }
        outage.told();
        match &self.offline {
            Offline::Last => {}
            Offline::Picture(part) => self.news.push(News::StandIn(part.clone())),
            Offline::Draw => self.draw(registry, now),
        }
    }

    /// Why there are no frames though there should be, if so.
    fn fault(&mut self, now: Instant) -> Option<String> {
        let patience = self.patience();
        let last_words = || self.trouble.clone().unwrap_or_else(|| "its driver ended".to_owned());
        match &self.life {
            Life::Off | Life::Resting { .. } | Life::Ending { .. } => None,
            Life::Down { .. } => Some(last_words()),
            Life::On(driver) => {
                let silent_for = now.saturating_duration_since(driver.silent_since());
                let is_hopeless = patience.is_some_and(|patience| silent_for >= patience * HOPELESS_FACTOR);
                if is_hopeless && !self.settings.source.heals() {
                    driver.signal(Signal::KILL);
                }
                if let Some(complaint) = driver.complaint(now) {
                    self.words.say(Level::Warn, &complaint);
                    self.trouble = Some(complaint.clone());
                    return Some(complaint);
                }
                let patience = patience.filter(|patience| silent_for >= *patience)?;
                let silence = format!("it has given no picture for {} s", patience.as_secs());
                Some(self.trouble.clone().unwrap_or(silence))
            }
        }
    }

    /// Starts the drawing of the picture that says what is wrong.
    fn draw(&mut self, registry: &Registry, now: Instant) {
        let Some(outage) = &self.outage else { return };
        let (width, height) = self.size;
        let mut command = self.command("draw-offline");
        command
            .args(["--name", &self.settings.name, "--reason", outage.reason()])
            .args(["--since", &outage.since().as_secs().to_string()])
            .args(["--size", &format!("{width}x{height}")])
            .stdin(Stdio::null());
        match self.spawn(command, registry, now) {
            Ok(artist) => self.artist = Some(artist),
            Err(error) => log::error!("camera {}: nobody can draw that it is offline: {error}", self.settings.name),
        }
    }

    pub(super) fn read_artist(&mut self, scratch: &mut [u8], now: Instant) {
        let Self { artist, news, settings, .. } = self;
        let Some(drawing) = artist else { return };
        let say = |line: &str| log::error!("camera {}: drawing that it is offline: {line}", settings.name);
        let read = drawing.read_output(scratch, now, |part| news.push(News::StandIn(part)), say);
        drawing.read_errors(scratch, say);
        if read.is_err() || (drawing.closed_at().is_some() && !drawing.is_owed()) {
            // It writes one picture and ends; killing it makes sure that this wait is short.
            let _ = drawing.reap();
            *artist = None;
        }
    }

    pub(super) fn end_outage(&mut self) {
        self.outage = None;
        if let Some(mut artist) = self.artist.take() {
            let _ = artist.reap();
        }
    }
}
