//! Version 2 of control groups (admin-guide/cgroup-v2): one hierarchy for all controllers. A group
//! has the files of a controller only if the group above it has enabled that one for its children;
//! and who does so may have no processes of its own ("no internal processes").

use crate::engine::device_rates::DeviceRate;
use crate::engine::{refuse, shares};
use crate::hierarchy::Names;
use crate::limits::{Limits, Most, PERIOD_US, Setting};
use anyhow::Result;
use kernel::Error;
use kernel::cgroup::{self, Hierarchy};
use nix::unistd::{AccessFlags, access};
use std::fs;
use std::path::{Path, PathBuf};

/// The controllers that a container's group is given where they can be had: without them, its use
/// is not counted either. The first two refuse a group with processes (EBUSY); the others would
/// make its threads, not processes, members of groups ("threaded"), and come after them.
pub const CONTROLLERS: [&str; 5] = ["memory", "io", "cpu", "cpuset", "pids"];

/// The group that ours are made in, with its controllers, at least those in `needed`, enabled for
/// them: the root of all groups, if we are in that; otherwise, as a group with processes (us, for a
/// start) gives none, the one above ours.
pub fn delegate(hierarchy: &Hierarchy, needed: Names) -> Result<PathBuf> {
    let top = hierarchy.point.as_path();
    let own = hierarchy.own.as_deref().unwrap_or(top);
    let may_write = |group: &Path| access(group, AccessFlags::W_OK).is_ok();
    if let Some(base) = hierarchy.base().filter(|base| may_write(base)) {
        let mut line: Vec<&Path> = base.ancestors().take_while(|group| *group != top).collect();
        line.push(top);
        // From the top down, as each gives only what it was given; what nobody needs, only the last.
        for group in line.into_iter().rev().filter(|group| may_write(group)) {
            let refused = enable(group, needed, if group == base { &CONTROLLERS } else { &[] });
            if let Err(refused) = refused
                && !needed.is_empty()
            {
                return Err(refuse::controller(refused));
            }
        }
        return Ok(base.into());
    }
    // Our groups will count nothing, but maybe nobody has asked them to.
    match needed.first() {
        Some(name) if may_write(own) => Err(refuse::crowded(name, own)),
        _ => Ok(own.into()),
    }
}

/// Enables controllers for the children of a group: all of `needed`, and those of `wanted` that it
/// was given itself.
pub fn enable(group: &Path, needed: Names, wanted: Names) -> Result<(), Refused> {
    let list = |file: &str| fs::read_to_string(group.join(file)).unwrap_or_default();
    let (given, enabled) = (list("cgroup.controllers"), list("cgroup.subtree_control"));
    let has = |list: &str, name: &str| list.split_whitespace().any(|word| word == name);
    let asked = |name: &str| needed.contains(&name) || wanted.contains(&name) && has(&given, name);
    // LAB 02.1 join: without this, groups below this one have no files of these controllers
    for name in CONTROLLERS.iter().filter(|name| asked(name) && !has(&enabled, name)) {
        cgroup::set(&group.join("cgroup.subtree_control"), &format!("+{name}"))
            .map_err(|error| Refused { controller: name, group: group.into(), error })?;
    }
    Ok(())
}

/// A controller that a group could not enable for its children.
pub struct Refused {
    /// Which.
    pub controller: &'static str,
    /// The group.
    pub group: PathBuf,
    /// The kernel's reason.
    pub error: Error,
}

/// The limits as files.
pub fn settings(limits: &Limits) -> Vec<Setting> {
    let mut settings = Vec::new();
    // First, so that what is to leave the memory of a running container finds room there.
    // LAB 02.2 swap: swap alone into memory.swap.max
    if let Some(most) = limits.memory_and_swap() {
        let meaning = "swap alone, not both together as in version 1";
        let swap = match (most, limits.memory) {
            (Most::Is(both), memory) => Most::Is(both.saturating_sub(memory.unwrap_or(0))),
            (Most::Unlimited, _) => Most::Unlimited,
        };
        let of = ("memory", "--memory-swap");
        let mut swap = Setting::new(of, "memory.swap.max", swap.or("max"), meaning);
        swap.implied = limits.memory_and_swap.is_none();
        settings.push(swap);
    }
    // LAB 02.2 memory: bytes into memory.max
    if let Some(bytes) = limits.memory {
        let meaning = "beyond that the kernel reclaims, and if that does not help, kills";
        settings.push(Setting::new(("memory", "--memory"), "memory.max", bytes, meaning));
    }
    if let Some(bytes) = limits.memory_reservation {
        let meaning = "when memory is short, it is not taken from a group below this";
        let of = ("memory", "--memory-reservation");
        settings.push(Setting::new(of, "memory.low", bytes, meaning));
    }
    // LAB 02.3 quota: quota and period into cpu.max
    if let Some(quota) = limits.quota_us() {
        let meaning = "microseconds of processor time a period; then all of them wait";
        let value = format!("{quota} {PERIOD_US}");
        settings.push(Setting::new(("cpu", "--cpus"), "cpu.max", value, meaning));
    }
    if let Some(shares) = limits.cpu_shares {
        let meaning = "counts only while processors are short; others have 100";
        let of = ("cpu", "--cpu-shares");
        settings.push(Setting::new(of, "cpu.weight", shares::weight(shares), meaning));
    }
    settings.extend(limits.common_settings());
    settings.extend(limits.devices.iter().map(DeviceRate::in_v2));
    settings
}
