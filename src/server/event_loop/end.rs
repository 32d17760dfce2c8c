//! What signals ask for: an end, a successor, files to be read again.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::EventLoop;
use crate::server::camera::Camera;
use crate::server::child::Child;
use crate::server::handover::Successor;
use crate::server::orphans::{self, Known};
use crate::server::publisher::Publisher;
use crate::server::signals;

/// At its end, the server looks so often whether orphans that were killed have ended.
const ORPHAN_LOOKS_MAX: u32 = 200;
const ORPHAN_LOOK_INTERVAL: Duration = Duration::from_millis(1);

impl EventLoop {
    /// Does what the signals ask for that have come.
    pub(super) fn obey_signals(&mut self, now: Instant) {
        for request in self.signals.pending().collect::<Vec<_>>() {
            match request {
                signals::Request::Reap => {
                    self.children_swept = None;
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

    /// Ends what drivers that have ended have left behind: after each SIGCHLD, and once such a driver has been reaped.
    pub(super) fn sweep_orphans(&mut self) {
        let children = self.children().count();
        if self.children_swept != Some(children) {
            orphans::sweep(&self.known());
            self.children_swept = Some(children);
        }
    }

    /// The same at the end of the server, when all its children have been reaped: waits until the orphans are gone.
    pub(super) fn end_orphans(&mut self) {
        for _ in 0..ORPHAN_LOOKS_MAX {
            if !orphans::sweep(&self.known()) {
                return;
            }
            thread::sleep(ORPHAN_LOOK_INTERVAL);
        }
    }

    fn children(&self) -> impl Iterator<Item = &Child> {
        self.cameras.iter().flat_map(Camera::children).chain(self.publishers.iter().filter_map(Publisher::child))
    }

    fn known(&self) -> Known {
        let successor = self.successor.as_ref().and_then(|successor| Pid::from_raw(successor.id() as i32));
        let others = self.passwords.pid().into_iter().chain(successor);
        Known {
            pids: self.children().map(Child::pid).chain(others).collect(),
            marks: self.children().map(|child| child.mark().to_owned()).collect(),
        }
    }

    /// Whether there is no next turn.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let Some(deadline) = self.going_down else { return false };
        let children_over = self.cameras.iter().all(Camera::is_over) && self.publishers.iter().all(Publisher::is_over);
        now >= deadline || (self.hub.is_empty() && children_over)
    }
}
