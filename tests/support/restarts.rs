//! Restarts: a new process takes over the listening sockets of the old one.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::{Program, eventually};

/// A server and the processes that have replaced it. The first is our child, each new process a child
/// of the old one.
pub struct Restarts {
    pub first: Program,
    pub current: Pid,
}

impl Restarts {
    pub fn new(first: Program) -> Self {
        Self {
            current: first.pid(),
            first,
        }
    }

    /// Restarts the server, and returns once the old process has exited.
    pub fn restart(&mut self) {
        let old = self.current;
        kill_process(old, Signal::USR2).expect("the server runs");
        eventually("there is a new process", || new_process_of(old).is_some());
        self.current = new_process_of(old).expect("the new process was found");
        eventually("the old process has exited", || has_exited(old));
    }
}

impl Drop for Restarts {
    fn drop(&mut self) {
        if self.current != self.first.pid() {
            let _ = kill_process(self.current, Signal::KILL);
        }
    }
}

/// Finds the new process that `old` has started. `old` may have exited.
pub fn new_process_of(old: Pid) -> Option<Pid> {
    let variable = format!("FRAMECAST_OLD_PROCESS={}", old.as_raw_nonzero());
    let is_new_process = |process: &String| {
        let variables = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        variables
            .split(|&byte| byte == 0)
            .any(|found| found == variable.as_bytes())
    };
    let processes = fs::read_dir("/proc").expect("/proc is mounted");
    let mut names = processes.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .find(is_new_process)?
        .parse()
        .ok()
        .and_then(Pid::from_raw)
}

/// Whether a process has exited. It may be a zombie.
pub fn has_exited(pid: Pid) -> bool {
    let stat =
        fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    matches!(state, None | Some('Z' | 'X'))
}
