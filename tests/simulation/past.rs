//! The past: viewers that are shown it, and the histories that hold it.

use framecast::hub::Key;
use framecast::hub::connection::Connection;
use framecast::hub::viewer::Viewer;
use framecast::site::snapshot::{Driver, Server, Snapshot};

use crate::link::End;
use crate::world::World;

impl World {
    /// The viewers, with their connections.
    pub fn viewers(&self) -> impl Iterator<Item = (Key, &Connection<End>, &Viewer)> {
        let connections = self.hub.connections();
        connections.filter_map(|(key, connection)| Some((key, connection, connection.viewer()?)))
    }

    /// Takes a snapshot of the hub.
    pub fn snapshot(&self) -> Snapshot {
        let drivers = vec![Driver::default(); self.hub.channels().len()];
        Snapshot::new(&self.hub, Server { drivers, ..Server::default() }, Some(&[]), self.now())
    }

    /// Every viewer of a camera is due one more frame.
    pub fn shown(&self, camera: usize) {
        let ledger = &mut *self.ledger.borrow_mut();
        for (key, ..) in self.viewers().filter(|(.., viewer)| viewer.is_live()) {
            let Some(link) = self.link(key) else { continue };
            if let Some(viewing) = link.borrow_mut().transcript.viewing.as_mut().filter(|of| of.camera == camera) {
                viewing.published += 1;
                ledger.counts.published += 1;
            }
        }
    }

    /// Every viewer of the past is due what has become due.
    pub fn look_back(&self) {
        let ledger = &mut *self.ledger.borrow_mut();
        ledger.look_back();
        for (key, ..) in self.viewers().filter(|(.., viewer)| viewer.is_live()) {
            let Some(link) = self.link(key) else { continue };
            let Some(viewing) = &mut link.borrow_mut().transcript.viewing else { continue };
            if viewing.camera >= self.cameras() {
                let due = ledger.camera(viewing.camera).published - viewing.start;
                ledger.counts.published += due - viewing.published;
                viewing.published = due;
            }
        }
    }

    /// Drops from a history what its bounds do not allow.
    pub fn outdate(&self, camera: usize) {
        let limits = self.hub.limits();
        let (span, bytes_max) = (limits.history_span, limits.history_bytes_max);
        let ledger = &mut *self.ledger.borrow_mut();
        ledger.cameras[camera].outdate(span, bytes_max, ledger.now);
    }

    /// Drops what is too old, at the end of a turn: all of a history whose newest frame is.
    pub fn outdate_all(&self) {
        let span = self.hub.limits().history_span;
        for camera in 0..self.cameras() {
            let is_over = {
                let ledger = self.ledger.borrow();
                ledger.cameras[camera].history.back().is_some_and(|newest| ledger.now - newest.at >= span)
            };
            if is_over {
                self.outdate(camera);
            }
        }
    }
}
