//! Servers that take over from each other on the same address.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::{Program, eventually};

/// A server and the processes that took over from it. The first is our child; each of the others is
/// a child of the one before.
pub struct Restarts {
    pub first: Program,
    pub current: Pid,
}

impl Restarts {
    pub fn of(first: Program) -> Self {
        Self {
            current: first.pid(),
            first,
        }
    }

    /// Asks for a restart, and returns once the old process has exited.
    pub fn restart(&mut self) {
        let old = self.current;
        kill_process(old, Signal::USR2).expect("it runs");
        eventually("there is a new process", || new_process_of(old).is_some());
        self.current = new_process_of(old).expect("it was there");
        eventually("the old process has exited", || is_over(old));
    }
}

impl Drop for Restarts {
    fn drop(&mut self) {
        if self.current != self.first.pid() {
            let _ = kill_process(self.current, Signal::KILL);
        }
    }
}

/// The process that was started to take over from `old`, whether that one is still there or not.
pub fn new_process_of(old: Pid) -> Option<Pid> {
    let variable = format!("FRAMECAST_OLD_PROCESS={}", old.as_raw_nonzero());
    let is_meant = |process: &String| {
        let variables = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        variables
            .split(|&byte| byte == 0)
            .any(|found| found == variable.as_bytes())
    };
    let processes = fs::read_dir("/proc").expect("there is a list of processes");
    let mut names = processes.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.find(is_meant)?.parse().ok().and_then(Pid::from_raw)
}

/// Whether it has exited. It may be a zombie still.
pub fn is_over(pid: Pid) -> bool {
    let stat =
        fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    matches!(state, None | Some('Z' | 'X'))
}
