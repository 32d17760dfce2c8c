//! Those who watch the past, and what is kept for them.

use std::rc::Rc;

use framecast::stream::Hub;
use framecast::stream::connection::{Connection, State};

use crate::ledger::{Ledger, Published};
use crate::link::{End, Link};
use crate::world::{Links, World};

impl World {
    /// Everybody who watches a camera, or one as it was, has been shown a frame.
    pub fn shown(&self, place: usize) {
        let ledger = &mut *self.ledger.borrow_mut();
        let is_shown = |connection: &Connection<End>| matches!(connection.state, State::Subscribed(_));
        for (key, ..) in self.hub.viewers().filter(|(_, connection, _)| is_shown(connection)) {
            let Some(link) = self.link(key) else { continue };
            if let Some(viewing) = link.borrow_mut().transcript.viewing.as_mut().filter(|of| of.camera == place) {
                viewing.published += 1;
                ledger.counts.published += 1;
            }
        }
    }

    /// What is due is shown to those who watch the past, and what is too old is forgotten.
    pub fn replay(&self) {
        for camera in 0..self.cameras() {
            let ledger = self.ledger.borrow();
            let is_due = |frame: &&Rc<Published>| frame.at + ledger.delay <= ledger.now;
            let due: Vec<_> = ledger.cameras[camera].history.iter().filter(is_due).cloned().collect();
            drop(ledger);
            due.into_iter().for_each(|frame| self.show_late(camera, frame));
            self.outdate(camera);
        }
    }

    fn show_late(&self, camera: usize, frame: Rc<Published>) {
        if self.ledger.borrow().late[camera].sequence >= frame.sequence
            || !is_late_watched(camera, &self.hub, &self.links, self.cameras())
        {
            return;
        }
        self.ledger.borrow_mut().late[camera].sequence = frame.sequence;
        self.ledger.borrow_mut().late[camera].show(frame, false);
        self.shown(self.cameras() + camera);
    }

    /// What leaves the history is shown once more, if it was not yet.
    pub fn outdate(&self, camera: usize) {
        let limits = self.hub.limits();
        let now = self.now();
        let (span, bytes_max) = (limits.history_span, limits.history_bytes_max);
        let outdated = self.ledger.borrow_mut().cameras[camera].outdate(span, bytes_max, now);
        outdated.into_iter().for_each(|frame| self.show_late(camera, frame));
    }
}

/// Whether a viewer watches the past of a camera, of so many.
fn is_late_watched(camera: usize, hub: &Hub<End>, links: &Links, cameras: usize) -> bool {
    let watches =
        |link: &Link| link.transcript.viewing.as_ref().is_some_and(|viewing| viewing.camera == cameras + camera);
    let mut viewers = hub.viewers().filter_map(|(key, ..)| links.iter().find(|(known, _)| *known == key));
    viewers.any(|(_, link)| watches(&link.borrow()))
}

/// Where no viewer watches the past, the next one finds it as it is.
pub fn late_again(hub: &Hub<End>, links: &Links, ledger: &mut Ledger) {
    let cameras = ledger.cameras.len();
    for camera in (0..cameras).filter(|&camera| !is_late_watched(camera, hub, links, cameras)) {
        let time = ledger.now.checked_sub(ledger.delay);
        ledger.late[camera].show_again(time, &ledger.cameras[camera].history);
    }
}
