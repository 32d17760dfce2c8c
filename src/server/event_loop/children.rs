//! All child processes as one list, and the orphans that they leave.

use std::thread;
use std::time::Duration;

use super::EventLoop;
use crate::server::camera::Camera;
use crate::server::child::Child;
use crate::server::orphans;
use crate::server::supervised::ChildProcess;

/// At the end, the server waits this long for killed orphans to exit.
const ORPHAN_SWEEPS_MAX: u32 = 200;
const ORPHAN_SWEEP_INTERVAL: Duration = Duration::from_millis(1);

impl EventLoop {
    /// All child processes.
    pub(super) fn processes(&self) -> impl Iterator<Item = &dyn ChildProcess> {
        let cameras = self.cameras.iter().flat_map(Camera::processes);
        let publishers = self
            .publishers
            .iter()
            .map(|publisher| &publisher.process as &dyn ChildProcess);
        let others: [&dyn ChildProcess; 2] = [&self.passwords.0, &self.new_process.0];
        cameras.chain(publishers).chain(others)
    }

    /// All child processes.
    pub(super) fn processes_mut(&mut self) -> impl Iterator<Item = &mut dyn ChildProcess> {
        let cameras = self.cameras.iter_mut().flat_map(Camera::processes_mut);
        let publishers = self
            .publishers
            .iter_mut()
            .map(|publisher| &mut publisher.process as &mut dyn ChildProcess);
        let others: [&mut dyn ChildProcess; 2] = [&mut self.passwords.0, &mut self.new_process.0];
        cameras.chain(publishers).chain(others)
    }

    /// Kills the orphans of exited drivers: after each SIGCHLD, and whenever the number of children
    /// has changed.
    pub(super) fn sweep_orphans(&mut self) {
        let children = self.children().count();
        if self.children_swept != Some(children) {
            orphans::sweep(self.children());
            self.children_swept = Some(children);
        }
    }

    /// Kills all child processes but the new process, and waits until their orphans have exited too.
    pub(super) fn kill_children(&mut self) {
        self.cameras
            .iter_mut()
            .flat_map(Camera::processes_mut)
            .for_each(ChildProcess::kill);
        self.publishers
            .iter_mut()
            .for_each(|publisher| publisher.process.kill());
        self.passwords.0.kill();
        for _ in 0..ORPHAN_SWEEPS_MAX {
            if !orphans::sweep(self.children()) {
                return;
            }
            thread::sleep(ORPHAN_SWEEP_INTERVAL);
        }
    }

    fn children(&self) -> impl Iterator<Item = &Child> {
        self.processes().filter_map(ChildProcess::child)
    }
}
