//! Processes that a driver has left behind.
//!
//! A kill of a driver's process group does not reach a process that has made a session of its own (setsid(2)). Such a
//! process would hold its camera, or fill its disk, for ever. So the server is a subreaper (`PR_SET_CHILD_SUBREAPER` in
//! prctl(2)): a process whose parent has ended becomes a child of the server. Each child is started with a mark in its
//! environment, which all its descendants inherit, and an orphan is killed once the child of its mark has ended.
//!
//! A server in a container is often its process 1, to which processes of others are left as well: those have no mark.
//! They are reaped when they end, and otherwise left alone.

use std::collections::HashSet;
use std::fs;
use std::process;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, kill_process_group, set_child_subreaper, waitid,
};

/// The variable that marks a child of the server, and all that it starts.
pub(super) const MARK: &str = "CHILD_OF_FRAMECAST";

/// The mark of the child that has `number`, which no other child of this server ever has.
pub(super) fn mark(number: usize) -> String {
    format!("{}.{number}", process::id())
}

/// Makes this process the parent of all orphans among its descendants. Without it, as on a kernel that does not know
/// it, they go to process 1.
pub(super) fn adopt() {
    if let Err(error) = set_child_subreaper(Some(getpid())) {
        log::warn!("processes that drivers leave behind are not ended with them: prctl: {error}");
    }
}

/// The children of the server that are no orphans.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// All of them.
    pub(super) pids: HashSet<Pid>,
    /// The marks of those that run.
    pub(super) marks: HashSet<String>,
}

/// Kills the orphans whose driver has ended, and reaps those that have ended themselves. Returns whether any is left
/// that was killed: then SIGCHLD comes when it has ended.
pub(super) fn sweep(known: &Known) -> bool {
    let mut is_any_left = false;
    for pid in children().filter(|pid| !known.pids.contains(pid)) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        if matches!(waitid(WaitId::Pid(pid), options), Ok(Some(_))) {
            continue;
        }
        if mark_of(pid).is_some_and(|mark| is_ours(&mark) && !known.marks.contains(&mark)) {
            log::debug!("process {pid} is killed: the driver that started it has ended");
            // The leader of a group takes with it what it has started. That it is gone already is no harm.
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = kill_process(pid, Signal::KILL);
            is_any_left = true;
        }
    }
    is_any_left
}

/// The children of this process's main thread, to which orphans are given; none where /proc is not mounted.
fn children() -> impl Iterator<Item = Pid> {
    let pid = process::id();
    let list = fs::read_to_string(format!("/proc/self/task/{pid}/children")).unwrap_or_default();
    let pids = list.split_ascii_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
    pids.collect::<Vec<_>>().into_iter()
}

fn mark_of(pid: Pid) -> Option<String> {
    let variables = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = variables.split(|&byte| byte == 0);
    let mark = variables.find_map(|variable| variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(mark.to_vec()).ok()
}

fn is_ours(mark: &str) -> bool {
    mark.split_once('.').is_some_and(|(server, _)| server == process::id().to_string())
}
