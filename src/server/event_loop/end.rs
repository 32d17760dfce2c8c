//! What signals ask for: an end, a successor, files to be read again.

use std::time::Instant;

use super::EventLoop;
use crate::server::camera::Camera;
use crate::server::handover::Successor;
use crate::server::publisher::Publisher;
use crate::server::signals;

impl EventLoop {
    /// Does what the signals ask for that have come.
    pub(super) fn obey_signals(&mut self, now: Instant) {
        for request in self.signals.pending().collect::<Vec<_>>() {
            match request {
                signals::Request::Reap => {
                    self.cameras.iter_mut().for_each(Camera::child_ended);
                    self.publishers.iter_mut().for_each(Publisher::child_ended);
                    self.passwords.child_ended();
                    self.reap_successor();
                }
                signals::Request::Succeed => self.start_successor(),
                signals::Request::HandOver => self.hand_over(now),
                signals::Request::Reload => self.reload(),
                signals::Request::ShutDown => self.shut_down(now),
            }
        }
    }

    /// Starts the server that is to take this one's place. Until it says that it is up, nothing changes.
    fn start_successor(&mut self) {
        let reads_stdin = self.settings.cameras.iter().any(|camera| camera.source.reads_stdin());
        if self.successor.is_some() || self.going_down.is_some() {
            log::warn!("no successor is started: there is one already, or this server is going down");
        } else if reads_stdin {
            // Two drivers would each read some pieces of it, and frames would be made of both.
            log::warn!("no successor is started: standard input is a camera and cannot be read by two servers");
        } else {
            match Successor::start(&self.program, &self.listeners) {
                Ok(successor) => {
                    log::info!("process {} is started as the successor of this server", successor.id());
                    self.successor = Some(successor);
                }
                Err(error) => {
                    log::error!("the successor, {}, cannot be started: {error}", self.program.display());
                }
            }
        }
    }

    /// A successor that is still ours to reap has failed: one that is up outlives us.
    fn reap_successor(&mut self) {
        let Some(successor) = &mut self.successor else { return };
        match successor.ended() {
            Ok(None) => {}
            Ok(Some(status)) => {
                log::error!("the successor has ended ({status}) before it was up; this server goes on");
                self.successor = None;
            }
            Err(error) => log::error!("the successor cannot be waited for: {error}"),
        }
    }

    /// The successor is up: whoever comes is its guest from now on, and those who are here are seen off.
    fn hand_over(&mut self, now: Instant) {
        let Some(successor) = self.successor.as_ref().filter(|_| self.going_down.is_none()) else { return };
        log::info!("the successor is up");
        self.supervisor.hand_over(successor.id());
        for mut listener in self.listeners.drain(..) {
            if let Err(error) = self.poll.registry().deregister(&mut listener) {
                log::warn!("{listener} goes on giving events: {error}");
            }
            listener.hand_over();
        }
        self.begin_end(now);
    }

    /// The first time, everything is brought to its end; the second time, it is over.
    fn shut_down(&mut self, now: Instant) {
        if self.going_down.is_some() {
            log::info!("going down at once");
            self.going_down = Some(now);
            return;
        }
        log::info!("going down; once more to do so at once");
        self.supervisor.stopping();
        self.begin_end(now);
    }

    /// Brings streams, replies, drivers and publishers to their end; they have so long for it.
    fn begin_end(&mut self, now: Instant) {
        self.going_down = Some(now + self.settings.shutdown_timeout);
        self.hub.shut_down(now);
        self.cameras.iter_mut().for_each(|camera| camera.stop(now));
        self.publishers.iter_mut().for_each(|publisher| publisher.stop(now));
    }

    /// Whether there is no next turn.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let Some(deadline) = self.going_down else { return false };
        let children_over = self.cameras.iter().all(Camera::is_over) && self.publishers.iter().all(Publisher::is_over);
        now >= deadline || (self.hub.is_empty() && children_over)
    }
}
