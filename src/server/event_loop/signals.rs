//! Handles signals: reaps children, reloads, restarts, shuts down.

use std::time::Instant;

use super::EventLoop;
use crate::server::camera::Camera;
use crate::server::publisher::Publisher;
use crate::server::settings::StdinFrom;
use crate::server::signals::Request;
use crate::server::supervised::ChildProcess;
use crate::server::tls::Tls;

impl EventLoop {
    /// Handles the signals since the last call.
    pub(super) fn handle_signals(&mut self, now: Instant) {
        for request in self.signals.pending().collect::<Vec<_>>() {
            match request {
                Request::Reap => {
                    self.processes_mut().for_each(ChildProcess::child_exited);
                    self.children_swept = None;
                }
                Request::Restart => self.restart(now),
                Request::NewProcessReady => self.leave_to_new_process(now),
                Request::Reload => {
                    self.tls.iter_mut().for_each(Tls::renew);
                    self.reloads.start();
                }
                Request::ShutDown => self.shut_down(now),
            }
        }
    }

    /// Starts the new process. This one continues until the new one is ready.
    fn restart(&mut self, now: Instant) {
        let reads_stdin = self
            .settings
            .cameras
            .iter()
            .any(|camera| camera.driver.stdin == StdinFrom::Server);
        if self.new_process.0.child().is_some() || self.ending.is_some() {
            log::warn!("restart: already restarting or shutting down; ignoring SIGUSR2");
        } else if reads_stdin {
            // Each of two drivers would read a part of the input.
            log::warn!("restart: two processes cannot read the camera on stdin; ignoring SIGUSR2");
        } else {
            self.new_process.start(self.listeners.all(), now);
        }
    }

    /// Called when the new process is ready: leaves the listening sockets to it, and shuts down.
    fn leave_to_new_process(&mut self, now: Instant) {
        let Some(new_process) = self.new_process.0.child().filter(|_| self.ending.is_none()) else {
            return;
        };
        log::info!("restart: the new process is ready");
        self.systemd
            .set_main_pid(new_process.pid().as_raw_nonzero().get() as u32);
        self.listeners.leave_to_new_process(self.poll.registry());
        self.begin_shutdown(now);
    }

    /// Shuts down at the first call, quits immediately at the second.
    fn shut_down(&mut self, now: Instant) {
        if self.ending.is_some() {
            log::info!("quitting immediately");
            self.ending = Some(now);
            return;
        }
        log::info!("shutting down; signal again to quit immediately");
        self.systemd.stopping();
        self.begin_shutdown(now);
    }

    /// Begins a graceful shutdown: ends streams, replies, drivers and publishers within the shutdown
    /// timeout.
    fn begin_shutdown(&mut self, now: Instant) {
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

    /// Whether the shutdown is complete, or its time is up.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let Some(deadline) = self.ending else {
            return false;
        };
        let children_over = self.cameras.iter().all(Camera::is_over)
            && self.publishers.iter().all(Publisher::is_over);
        now >= deadline || (self.hub.connections().is_empty() && children_over)
    }
}
