//! What signals ask for: a restart, a shutdown, a reload.

use std::time::Instant;

use super::EventLoop;
use crate::server::camera::Camera;
use crate::server::publisher::Publisher;
use crate::server::settings::StdinFrom;
use crate::server::signals::Request;
use crate::server::supervised::ChildProcess;
use crate::server::tls::Tls;

impl EventLoop {
    /// Handles the signals that have come.
    pub(super) fn take_signals(&mut self, now: Instant) {
        for request in self.signals.pending().collect::<Vec<_>>() {
            match request {
                Request::Reap => {
                    self.processes_mut().for_each(ChildProcess::child_exited);
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
        let reads_stdin = self
            .settings
            .cameras
            .iter()
            .any(|camera| camera.driver.stdin == StdinFrom::Server);
        if self.new_process.0.child().is_some() || self.ending.is_some() {
            log::warn!(
                "restart: a new process has been started, or this one is shutting down; ignoring SIGUSR2"
            );
        } else if reads_stdin {
            // Two drivers would each read some pieces of it.
            log::warn!(
                "restart: standard input is a camera and cannot be read by two processes; ignoring SIGUSR2"
            );
        } else {
            self.new_process.start(self.listeners.all(), now);
        }
    }

    /// The new process is ready: leaves the listening sockets to it, and shuts down.
    fn hand_over(&mut self, now: Instant) {
        let Some(new_process) = self.new_process.0.child().filter(|_| self.ending.is_none()) else {
            return;
        };
        log::info!("restart: the new process is ready");
        self.systemd
            .hand_over(new_process.pid().as_raw_nonzero().get() as u32);
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
        self.cameras
            .iter_mut()
            .for_each(|camera| camera.shut_down(now));
        self.publishers
            .iter_mut()
            .for_each(|publisher| publisher.shut_down(now));
    }

    /// Whether there is no next turn.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let Some(deadline) = self.ending else {
            return false;
        };
        let children_over = self.cameras.iter().all(Camera::is_over)
            && self.publishers.iter().all(Publisher::is_over);
        now >= deadline || (self.hub.connections().is_empty() && children_over)
    }
}
