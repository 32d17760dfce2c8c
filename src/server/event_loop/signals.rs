//! What signals ask for: a restart, a shutdown, a reload; and the end of all child processes.

use std::thread;
use std::time::{Duration, Instant};

use super::EventLoop;
use crate::server::camera::Camera;
use crate::server::child::Child;
use crate::server::orphans;
use crate::server::publisher::Publisher;
use crate::server::settings::StdinFrom;
use crate::server::signals::Request;
use crate::server::tls::Tls;

/// At the end, so often is looked whether killed orphans have exited.
const ORPHAN_LOOKS_MAX: u32 = 200;
const ORPHAN_LOOK_INTERVAL: Duration = Duration::from_millis(1);

impl EventLoop {
    /// Handles the signals that have come.
    pub(super) fn take_signals(&mut self, now: Instant) {
        for request in self.signals.pending().collect::<Vec<_>>() {
            match request {
                Request::Reap => {
                    self.cameras.iter_mut().for_each(Camera::child_exited);
                    self.publishers.iter_mut().for_each(Publisher::child_exited);
                    self.passwords.child_exited();
                    self.new_process.child_exited(now);
                    self.children_swept = None;
                }
                Request::Restart => self.restart(now),
                Request::HandOver => self.hand_over(now),
                Request::Reload => {
                    self.tls.iter_mut().for_each(Tls::renew);
                    self.reloads.start();
                }
                Request::ShutDown => self.shut_down(now),
            }
        }
    }

    /// Starts the new process. Until it is ready, nothing changes.
    fn restart(&mut self, now: Instant) {
        let reads_stdin = self.settings.cameras.iter().any(|camera| camera.driver.stdin == StdinFrom::Server);
        if self.new_process.child().is_some() || self.ending.is_some() {
            log::warn!("restart: a new process has been started, or this one is shutting down; ignoring SIGUSR2");
        } else if reads_stdin {
            // Two drivers would each read some pieces of it.
            log::warn!("restart: standard input is a camera and cannot be read by two processes; ignoring SIGUSR2");
        } else {
            self.new_process.start(self.listeners.all(), now);
        }
    }

    /// The new process is ready: leaves the listening sockets to it, and shuts down.
    fn hand_over(&mut self, now: Instant) {
        let Some(new_process) = self.new_process.child().filter(|_| self.ending.is_none()) else { return };
        log::info!("restart: the new process is ready");
        self.systemd.hand_over(new_process.pid().as_raw_nonzero().get() as u32);
        self.listeners.hand_over(self.poll.registry());
        self.begin_end(now);
    }

    /// The first time, shuts down; the second time, quits immediately.
    fn shut_down(&mut self, now: Instant) {
        if self.ending.is_some() {
            log::info!("quitting immediately");
            self.ending = Some(now);
            return;
        }
        log::info!("shutting down; signal again to quit immediately");
        self.systemd.stopping();
        self.begin_end(now);
    }

    /// Ends streams, replies, drivers and publishers, for which they have the shutdown timeout.
    fn begin_end(&mut self, now: Instant) {
        self.ending = Some(now + self.settings.shutdown_timeout);
        self.listeners.close();
        self.hub.shut_down(now);
        self.cameras.iter_mut().for_each(|camera| camera.shut_down(now));
        self.publishers.iter_mut().for_each(|publisher| publisher.shut_down(now));
    }

    /// Whether there is no next turn.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let Some(deadline) = self.ending else { return false };
        let children_over = self.cameras.iter().all(Camera::is_over) && self.publishers.iter().all(Publisher::is_over);
        now >= deadline || (self.hub.is_empty() && children_over)
    }

    /// Kills what exited drivers have left behind: after each SIGCHLD, and once such a driver has been reaped.
    pub(super) fn sweep_orphans(&mut self) {
        let children = self.children().count();
        if self.children_swept != Some(children) {
            orphans::sweep(self.children());
            self.children_swept = Some(children);
        }
    }

    /// Kills all child processes but the new process, and waits until what they leave behind has exited too.
    pub(super) fn kill_children(&mut self) {
        self.cameras.iter_mut().for_each(Camera::kill);
        self.publishers.iter_mut().for_each(Publisher::kill);
        self.passwords.kill();
        for _ in 0..ORPHAN_LOOKS_MAX {
            if !orphans::sweep(self.children()) {
                return;
            }
            thread::sleep(ORPHAN_LOOK_INTERVAL);
        }
    }

    fn children(&self) -> impl Iterator<Item = &Child> {
        let cameras = self.cameras.iter().flat_map(Camera::children);
        let publishers = self.publishers.iter().filter_map(Publisher::child);
        cameras.chain(publishers).chain(self.passwords.child()).chain(self.new_process.child())
    }
}
