//! Processes that a driver has left behind.
//!
//! A kill of a driver's process group does not reach a process that has made a session of its own
//! (setsid(2)). Such a process would hold its camera, or fill its disk, for ever. So the server is
//! a subreaper (`PR_SET_CHILD_SUBREAPER` in prctl(2)): a process whose parent has ended becomes a
//! child of the server. Each child is started with a mark in its environment, which all its
//! descendants inherit, and an orphan is killed once the child of its mark has ended.
//!
//! A server in a container is often its process 1, to which processes of others are left as well:
//! those have no mark. They are reaped when they end, and otherwise left alone.

use std::collections::HashSet;
use std::fs;
use std::process;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, kill_process_group,
    set_child_subreaper, waitid,
};

use super::child::{Child, MARK};

/// Makes this process the parent of all orphans among its descendants. Without it, as on a kernel
/// that does not know it, they go to process 1.
pub(super) fn adopt() {
    if let Err(error) = set_child_subreaper(Some(getpid())) {
        log::warn!("prctl: {error}; processes that drivers leave behind are not ended with them");
    }
}

/// Kills the orphans that none of the children `known` has started, and reaps those that have
/// exited. Returns whether any was killed: then SIGCHLD comes when it has exited.
pub(super) fn sweep<'a>(known: impl Iterator<Item = &'a Child>) -> bool {
    let (pids, marks): (HashSet<Pid>, HashSet<&str>) =
        known.map(|child| (child.pid(), &*child.mark)).unzip();
    let mut is_any_left = false;
    for pid in children().filter(|pid| !pids.contains(pid)) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        if matches!(waitid(WaitId::Pid(pid), options), Ok(Some(_))) {
            continue;
        }
        if mark_of(pid).is_some_and(|mark| is_ours(&mark) && !marks.contains(&*mark)) {
            log::debug!("killing process {pid}: the driver that started it has exited");
            // The group of a leader is what it has started. A process that is gone already is no
            // error.
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = kill_process(pid, Signal::KILL);
            is_any_left = true;
        }
    }
    is_any_left
}

/// The children of this process's main thread, to which orphans are given; none where /proc is not
/// mounted.
fn children() -> impl Iterator<Item = Pid> {
    let pid = process::id();
    let list = fs::read_to_string(format!("/proc/self/task/{pid}/children")).unwrap_or_default();
    let pids = list
        .split_ascii_whitespace()
        .filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
    pids.collect::<Vec<_>>().into_iter()
}

fn mark_of(pid: Pid) -> Option<String> {
    let variables = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = variables.split(|&byte| byte == 0);
    let mark = variables
        .find_map(|variable| variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(mark.to_vec()).ok()
}

fn is_ours(mark: &str) -> bool {
    mark.split_once('.')
        .is_some_and(|(server, _)| server == process::id().to_string())
}
