//! Those who watch the past, and what is kept for them.

use std::rc::Rc;

use crate::ledger::Published;
use crate::link::Link;
use crate::world::World;

impl World {
    /// Everybody who watches a camera, or one as it was, has been shown a frame.
    pub fn shown(&self, place: usize) {
        let ledger = &mut *self.ledger.borrow_mut();
        for (key, ..) in self.hub.viewers().filter(|_| !ledger.stopping) {
            let Some(link) = self.link(key) else { continue };
            if let Some(viewing) = link.borrow_mut().transcript.viewing.as_mut().filter(|of| of.camera == place) {
                viewing.published += 1;
                ledger.counts.published += 1;
            }
        }
    }

    /// Whether somebody watches the past of a camera.
    fn is_late_watched(&self, camera: usize) -> bool {
        let place = self.cameras() + camera;
        let watches = |link: &Link| link.transcript.viewing.as_ref().is_some_and(|viewing| viewing.camera == place);
        self.hub.viewers().any(|(key, ..)| self.link(key).is_some_and(|link| watches(&link.borrow())))
    }

    /// Where nobody has watched the past, a newcomer finds it as it is.
    pub fn late_again(&self) {
        for camera in (0..self.cameras()).filter(|&camera| !self.is_late_watched(camera)) {
            let ledger = &mut *self.ledger.borrow_mut();
            let time = ledger.now.checked_sub(ledger.delay);
            ledger.late[camera].show_again(time, &ledger.cameras[camera].history);
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
        if self.ledger.borrow().late[camera].sequence >= frame.sequence || !self.is_late_watched(camera) {
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
