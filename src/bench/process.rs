//! CPU time and memory of a process and its children, from `/proc` (proc(5)).

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

/// The unit of times in `/proc/PID/stat`: `USER_HZ`, which is 100 on every architecture that Rust
/// supports on Linux.
const TICKS_PER_SECOND: u64 = 100;

/// The maximum number of descendants that are measured.
const DESCENDANTS_MAX: usize = 256;

/// The usage of a process, or of several, during the measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// CPU time, user and system, in seconds.
    pub cpu_seconds: f64,
    /// CPU time as a share of one core, in percent.
    pub cpu_percent: f64,
    /// Resident memory at the beginning, in bytes.
    pub rss_start_bytes: u64,
    /// Resident memory at the end, in bytes.
    pub rss_end_bytes: u64,
    /// The highest resident memory in between, in bytes.
    pub rss_peak_bytes: u64,
}

/// The usage of a process and, separately, of its descendants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct FamilyUsage {
    /// The process itself, with all its threads.
    pub own: Usage,
    /// Its descendants, including those that have ended.
    pub children: Usage,
}

impl FamilyUsage {
    /// Whether the process had descendants that used CPU time or memory.
    pub fn has_children(&self) -> bool {
        self.children.cpu_seconds > 0.0 || self.children.rss_peak_bytes > 0
    }
}

/// Measures a process and its descendants.
#[derive(Debug)]
pub struct Meter {
    pid: u32,
    started_at: Instant,
    start: Sample,
    latest: Sample,
    peak: Sample,
}

impl Meter {
    /// Starts a measurement. Fails if the process does not exist.
    pub fn start(pid: u32) -> io::Result<Self> {
        let start = Sample::take(pid)?;
        Ok(Self {
            pid,
            started_at: Instant::now(),
            start,
            latest: start,
            peak: start,
        })
    }

    /// Takes a sample, to notice a peak of memory. A process that has ended keeps its last values.
    pub fn sample(&mut self) {
        if let Ok(sample) = Sample::take(self.pid) {
            self.peak.own.rss = self.peak.own.rss.max(sample.own.rss);
            self.peak.children.rss = self.peak.children.rss.max(sample.children.rss);
            self.latest = sample;
        }
    }

    /// Finishes the measurement.
    pub fn finish(mut self) -> FamilyUsage {
        self.sample();
        let span = self.started_at.elapsed();
        let usage = |figures: fn(&Sample) -> &Amounts| {
            let (start, end) = (figures(&self.start), figures(&self.latest));
            let cpu = end.cpu.saturating_sub(start.cpu);
            Usage {
                cpu_seconds: cpu.as_secs_f64(),
                cpu_percent: 100.0 * cpu.as_secs_f64() / span.as_secs_f64(),
                rss_start_bytes: start.rss,
                rss_end_bytes: end.rss,
                rss_peak_bytes: figures(&self.peak).rss,
            }
        };
        FamilyUsage {
            own: usage(|sample| &sample.own),
            children: usage(|sample| &sample.children),
        }
    }
}

/// Returns the living children of a process, oldest first.
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let lists = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .flat_map(str::parse)
                .collect::<Vec<_>>()
        })
        .collect()
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    own: Amounts,
    children: Amounts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Amounts {
    cpu: Duration,
    rss: u64,
}

impl Sample {
    fn take(pid: u32) -> io::Result<Self> {
        let stat = Stat::read(pid)?;
        let mut sample = Self {
            own: Amounts {
                cpu: stat.cpu.max(scheduled_time(pid)),
                rss: resident_bytes(pid),
            },
            children: Amounts {
                cpu: stat.ended_children_cpu,
                rss: 0,
            },
        };
        let mut family = children(pid);
        let mut next = 0;
        while let Some(&child) = family.get(next) {
            next += 1;
            if let Ok(stat) = Stat::read(child) {
                sample.children.cpu +=
                    stat.cpu.max(scheduled_time(child)) + stat.ended_children_cpu;
                sample.children.rss += resident_bytes(child);
            }
            if family.len() < DESCENDANTS_MAX {
                family.extend(children(child));
            }
        }
        Ok(sample)
    }
}

/// The times in `/proc/PID/stat`, in steps of 10 ms.
#[derive(Debug, PartialEq)]
struct Stat {
    /// User and system time, including threads that have ended.
    cpu: Duration,
    /// User and system time of children that have ended and been waited for.
    ended_children_cpu: Duration,
}

impl Stat {
    fn read(pid: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Self::parse(&text)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "malformed stat file"))
    }

    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name, which may contain spaces and parentheses.
        let (_, fields) = text.rsplit_once(')')?;
        let mut times = fields
            .split_whitespace()
            .skip(11)
            .map_while(|field| field.parse::<u64>().ok());
        let mut pair = || Some(times.next()?.saturating_add(times.next()?));
        let duration =
            |ticks: u64| Duration::from_millis(ticks.saturating_mul(1000 / TICKS_PER_SECOND));
        Some(Self {
            cpu: duration(pair()?),
            ended_children_cpu: duration(pair()?),
        })
    }
}

/// Returns the CPU time of the living threads from the scheduler, in nanoseconds; zero if the kernel
/// does not record it.
///
/// It is exact but lacks threads that have ended; `stat` includes them but counts in steps of 10 ms.
/// Neither is too high, so the larger one is more accurate.
fn scheduled_time(pid: u32) -> Duration {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Duration::ZERO;
    };
    let nanos = tasks.flatten().filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_with_parentheses_does_not_shift_fields() {
        let text = "7 (a) b (c)) S 1 7 7 0 -1 4194304 9 9 0 0 120 30 50 5 20 0 1 0 100 1000 1";
        let stat = Stat {
            cpu: Duration::from_millis(1500),
            ended_children_cpu: Duration::from_millis(550),
        };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("7 (a) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn this_process_has_memory_and_a_missing_one_is_an_error() {
        let usage = Meter::start(std::process::id()).unwrap().finish();
        assert!(usage.own.rss_end_bytes > 0);
        assert!(usage.own.rss_peak_bytes >= usage.own.rss_start_bytes);
        assert!(Meter::start(u32::MAX).is_err());
    }
}
