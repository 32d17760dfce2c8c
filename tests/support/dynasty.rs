//! Servers that follow each other on the same address.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::{Program, eventually};

/// The generations of a server. The first is our child; the others are known by the one before.
pub struct Dynasty {
    pub first: Program,
    pub reigning: Pid,
}

impl Dynasty {
    pub fn found(first: Program) -> Self {
        Self { reigning: first.pid(), first }
    }

    /// Asks for a successor, and returns once the one before has gone.
    pub fn succeed(&mut self) {
        let before = self.reigning;
        kill_process(before, Signal::USR2).expect("it runs");
        eventually("there is a successor", || heir(before).is_some());
        self.reigning = heir(before).expect("it was there");
        eventually("the server before has gone", || is_over(before));
    }
}

impl Drop for Dynasty {
    fn drop(&mut self) {
        if self.reigning != self.first.pid() {
            let _ = kill_process(self.reigning, Signal::KILL);
        }
    }
}

/// The server that was started to take the place of `pid`, whether that one is still there or not.
pub fn heir(pid: Pid) -> Option<Pid> {
    let told = format!("FRAMECAST_PREDECESSOR={}", pid.as_raw_nonzero());
    let is_heir = |process: &String| {
        let variables = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        variables.split(|&byte| byte == 0).any(|variable| variable == told.as_bytes())
    };
    let processes = fs::read_dir("/proc").expect("there is a list of processes");
    let mut names = processes.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.find(is_heir)?.parse().ok().and_then(Pid::from_raw)
}

/// Whether it has ended; whether somebody has reaped it is not ours to say.
pub fn is_over(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    matches!(state, None | Some('Z' | 'X'))
}
