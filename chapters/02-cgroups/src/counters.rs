//! What a group has used and what was done to it, by the kernel's own counters. Both versions count
//! the same things in other files and other units.

use crate::engine::{block_io, threads};
use crate::group::{Group, Place};
use kernel::cgroup::Version;
use std::str::FromStr;

/// What a group has used.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Usage {
    /// Processor time, in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// Periods in which it had to wait for its next quota.
    pub throttled_periods: Option<u64>,
    /// Bytes in use, page cache included.
    pub memory: Option<u64>,
    /// Of these: page cache that was not used lately, which the kernel takes back first. Docker
    /// does not count it as used.
    pub inactive_cache: Option<u64>,
    /// The most bytes that it ever used.
    pub peak: Option<u64>,
    /// How many of its processes the kernel killed for want of memory.
    pub out_of_memory_kills: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Bytes read from and written to block devices.
    pub io: Option<(u64, u64)>,
}

impl Usage {
    /// Reads the counters. Those that are missing here stay empty.
    pub fn of(group: &Group) -> Usage {
        let cpu = group.with("cpu");
        // Version 2 counts processor time of every group, with the controller or without.
        let unified = group.places.first().filter(|place| place.version == Version::V2);
        let time = match (group.with("cpuacct"), unified) {
            (Some(place), _) => number(place, "cpuacct.usage"),
            (None, Some(place)) => field(place, "cpu.stat", "usage_usec").map(|us| us * 1000),
            (None, None) => None,
        };
        let memory = group.with("memory");
        let in_v2 = memory.is_some_and(|place| place.version == Version::V2);
        let pick = |v1, v2| if in_v2 { v2 } else { v1 };
        let cache = pick("total_inactive_file", "inactive_file");
        Usage {
            cpu_ns: time,
            throttled_periods: cpu.and_then(|place| field(place, "cpu.stat", "nr_throttled")),
            memory: memory.and_then(|m| number(m, pick("memory.usage_in_bytes", "memory.current"))),
            inactive_cache: memory.and_then(|place| field(place, "memory.stat", cache)),
            peak: memory.and_then(|m| number(m, pick("memory.max_usage_in_bytes", "memory.peak"))),
            out_of_memory_kills: out_of_memory_kills(group),
            pids: threads::count(group),
            io: group.with("io").and_then(block_io::transferred),
        }
    }
}

/// How many of a group's processes the kernel killed for want of memory.
pub fn out_of_memory_kills(group: &Group) -> Option<u64> {
    let place = group.with("memory")?;
    match place.version {
        Version::V2 => field(place, "memory.events", "oom_kill"),
        Version::V1 => field(place, "memory.oom_control", "oom_kill"),
    }
}

/// The most bytes that a group may use; none if it has no limit of its own.
pub fn memory_limit(group: &Group) -> Option<u64> {
    let place = group.with("memory")?;
    match place.version {
        // `max` is no number.
        Version::V2 => number(place, "memory.max"),
        // As far as a page counter goes: 2⁶³ rounded down to whole pages.
        Version::V1 => number(place, "memory.limit_in_bytes").filter(|limit| *limit < 1 << 62),
    }
}

pub(crate) fn read(place: &Place, file: &str) -> Option<String> {
    kernel::text::read(place.directory.join(file)).ok()
}

pub(crate) fn number<T: FromStr>(place: &Place, file: &str) -> Option<T> {
    read(place, file)?.trim().parse().ok()
}

/// The number in a line `key number`.
pub(crate) fn field(place: &Place, file: &str, key: &str) -> Option<u64> {
    let text = read(place, file)?;
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(name, _)| *name == key)?.1.trim().parse().ok()
}
