//! Kills orphans: processes that outlive the driver that has started them.
//!
//! A kill of a driver's process group does not reach a process that has created its own session
//! (setsid(2)). Such a process would keep the camera open, or fill the disk, for ever. So the server
//! is a subreaper (`PR_SET_CHILD_SUBREAPER` in prctl(2)): a process whose parent has exited becomes
//! a child of the server. Each child has a mark in its environment, which its descendants inherit.
//! An orphan is killed when the child with its mark has exited.
//!
//! In a container, the server is often process 1, which gets the orphans of other programs as well.
//! These have no mark: they are reaped when they exit, and not killed.

use std::collections::HashSet;
use std::fs;
use std::process;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, kill_process_group,
    set_child_subreaper, waitid,
};

use super::child::{Child, MARK};

/// Makes this process the parent of all orphans among its descendants. Otherwise, as on a kernel
/// without this feature, process 1 is their parent.
pub(super) fn adopt() {
    if let Err(error) = set_child_subreaper(Some(getpid())) {
        log::warn!("prctl: {error}; processes that outlive their driver will not be killed");
    }
}

/// Kills the orphans that no running child has started, and reaps those that have exited. Returns
/// whether one was killed: SIGCHLD reports its exit. `running` are the children of the server.
pub(super) fn sweep<'a>(running: impl Iterator<Item = &'a Child>) -> bool {
    let (pids, marks): (HashSet<Pid>, HashSet<&str>) =
        running.map(|child| (child.pid(), &*child.mark)).unzip();
    let mut is_any_killed = false;
    for pid in children().filter(|pid| !pids.contains(pid)) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        if matches!(waitid(WaitId::Pid(pid), options), Ok(Some(_))) {
            continue;
        }
        if mark(pid).is_some_and(|mark| is_ours(&mark) && !marks.contains(&*mark)) {
            log::debug!("killing process {pid}: the driver that has started it has exited");
            // The orphan may lead a process group. It may also have exited by now.
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = kill_process(pid, Signal::KILL);
            is_any_killed = true;
        }
    }
    is_any_killed
}

/// Returns the children of the main thread, orphans included; none if /proc is not mounted.
fn children() -> impl Iterator<Item = Pid> {
    let pid = process::id();
    let list = fs::read_to_string(format!("/proc/self/task/{pid}/children")).unwrap_or_default();
    let pids = list
        .split_ascii_whitespace()
        .filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
    pids.collect::<Vec<_>>().into_iter()
}

/// Returns the mark in the environment of a process.
fn mark(pid: Pid) -> Option<String> {
    let variables = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = variables.split(|&byte| byte == 0);
    let mark = variables
        .find_map(|variable| variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(mark.to_vec()).ok()
}

/// Whether this server has set the mark.
fn is_ours(mark: &str) -> bool {
    mark.split_once('.')
        .is_some_and(|(server, _)| server == process::id().to_string())
}
