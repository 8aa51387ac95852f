//! Version 1 of control groups (admin-guide/cgroup-v1): each controller, or a few together, has a
//! hierarchy of its own, and a process is in one group of each. They have to be joined one by one.

use crate::engine::device_rates::DeviceRate;
use crate::limits::{Limits, PERIOD_US, Setting};
use anyhow::Result;
use kernel::cgroup;
use std::fs;
use std::path::Path;

/// What version 2 calls a controller of version 1.
pub fn modern_name(controller: &str) -> &str {
    if controller == "blkio" { "io" } else { controller }
}

/// A new group of the cpuset hierarchy has no processors and no memory nodes, and a process that
/// enters it is refused (ENOSPC). So ours gets those of the group above, and hands them on.
pub fn inherit_cpuset(above: &Path, ours: &Path) -> Result<()> {
    let value = |group: &Path, file: &str| fs::read_to_string(group.join(file));
    let hands_on = "cgroup.clone_children";
    if value(ours, hands_on)?.trim() == "1" {
        return Ok(());
    }
    for file in ["cpuset.cpus", "cpuset.mems"] {
        cgroup::set(&ours.join(file), value(above, file)?.trim())?;
    }
    // Last: it says that the others are done.
    Ok(cgroup::set(&ours.join(hands_on), "1")?)
}

/// The limits as files, in the order in which they have to be written.
pub fn settings(limits: &Limits) -> Vec<Setting> {
    let mut settings = Vec::new();
    // LAB 02.2 memory: bytes into memory.limit_in_bytes
    if let Some(bytes) = limits.memory {
        let meaning = "beyond that the kernel reclaims, and if that does not help, kills";
        let of = ("memory", "--memory");
        settings.push(Setting::new(of, "memory.limit_in_bytes", bytes, meaning));
    }
    // LAB 02.2 swap: both together into memory.memsw.limit_in_bytes
    if let Some(most) = limits.memory_and_swap() {
        let meaning = "memory and swap together; without it, memory would only be swapped out";
        let mut both = Setting::new(
            ("memory", "--memory-swap"),
            "memory.memsw.limit_in_bytes",
            most.or("-1"),
            meaning,
        );
        both.implied = limits.memory_and_swap.is_none();
        settings.push(both);
    }
    if let Some(bytes) = limits.memory_reservation {
        let meaning = "when memory is short, those above their soft limit give first";
        let of = ("memory", "--memory-reservation");
        settings.push(Setting::new(of, "memory.soft_limit_in_bytes", bytes, meaning));
    }
    // LAB 02.3 quota: into cpu.cfs_period_us and cpu.cfs_quota_us
    if let Some(quota) = limits.quota_us() {
        let (of, period) = (("cpu", "--cpus"), "microseconds after which the quota is full again");
        settings.push(Setting::new(of, "cpu.cfs_period_us", PERIOD_US, period));
        let meaning = "microseconds of processor time a period; then all of them wait";
        settings.push(Setting::new(of, "cpu.cfs_quota_us", quota, meaning));
    }
    if let Some(shares) = limits.cpu_shares {
        let meaning = "counts only while processors are short; others have 1024";
        settings.push(Setting::new(("cpu", "--cpu-shares"), "cpu.shares", shares, meaning));
    }
    settings.extend(limits.common_settings());
    settings.extend(limits.devices.iter().map(DeviceRate::in_v1));
    settings
}
