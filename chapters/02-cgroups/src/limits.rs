//! How much a container may use, as values, before anybody knows which interface the kernel has;
//! and the setting of one file, into which [`crate::v1`] and [`crate::v2`] turn them.

use crate::engine::device_rates::DeviceRate;
use serde::{Deserialize, Serialize};

/// What a container may use; what is not named is unlimited, or shared fairly.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes of memory, page cache and kernel memory included. Who needs more is killed.
    pub memory: Option<u64>,
    /// Bytes of memory and swap together.
    pub memory_and_swap: Option<Most>,
    /// Bytes that the kernel leaves to it as long as it can, when memory is short.
    pub memory_reservation: Option<u64>,
    /// Billionths of a processor. Who has used that much waits for the next period.
    pub nano_cpus: Option<u64>,
    /// Its share of the processors when they do not suffice, where others have 1024.
    pub cpu_shares: Option<u64>,
    /// The processors it may run on, as `0-2,5`.
    pub cpuset_cpus: Option<String>,
    /// The NUMA nodes that its memory may come from.
    pub cpuset_mems: Option<String>,
    /// Processes and threads; a fork beyond that fails with EAGAIN.
    pub pids: Option<Most>,
    /// How fast it may use which disks.
    pub devices: Vec<DeviceRate>,
}

/// A number, or no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Most {
    /// At most this much.
    Is(u64),
    /// As much as there is.
    Unlimited,
}

impl Most {
    /// The number, or the word that stands for no limit.
    pub fn or(self, unlimited: &str) -> String {
        match self {
            Most::Is(number) => number.to_string(),
            Most::Unlimited => unlimited.into(),
        }
    }
}

/// One file of a group and what is written into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Whose file it is: `memory`, `cpu`, `cpuset`, `pids` or `io`, as version 2 calls them.
    pub controller: &'static str,
    /// The option that asks for it.
    pub option: &'static str,
    /// The file's name.
    pub file: &'static str,
    /// What is written.
    pub value: String,
    /// What the kernel makes of it.
    pub meaning: &'static str,
    /// Nobody asked for it: where the kernel has no such file, one does without.
    pub implied: bool,
}

impl Setting {
    /// A setting that somebody asked for.
    pub fn new(
        (controller, option): (&'static str, &'static str),
        file: &'static str,
        value: impl ToString,
        meaning: &'static str,
    ) -> Setting {
        Setting { controller, option, file, value: value.to_string(), meaning, implied: false }
    }
}

/// The length of a period of the processors' time (cpu.cfs_period_us, cpu.max): a container with
/// half a processor may run for 50 of every 100 ms.
pub const PERIOD_US: u64 = 100_000;

impl Limits {
    /// Microseconds of processor time in each period.
    pub fn quota_us(&self) -> Option<u64> {
        self.nano_cpus.map(|nano| nano / (1_000_000_000 / PERIOD_US))
    }

    /// Memory and swap together: what was asked for, otherwise twice the memory, as in Docker.
    pub fn memory_and_swap(&self) -> Option<Most> {
        self.memory_and_swap.or(self.memory.map(|memory| Most::Is(memory.saturating_mul(2))))
    }

    /// The settings that are the same in both versions.
    pub fn common_settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        if let Some(cpus) = &self.cpuset_cpus {
            let meaning = "the processors that it may run on";
            settings.push(Setting::new(("cpuset", "--cpuset-cpus"), "cpuset.cpus", cpus, meaning));
        }
        if let Some(nodes) = &self.cpuset_mems {
            let meaning = "the NUMA nodes that its memory may come from";
            settings.push(Setting::new(("cpuset", "--cpuset-mems"), "cpuset.mems", nodes, meaning));
        }
        // LAB 02.4 pids: the number into pids.max
        if let Some(most) = self.pids {
            let meaning = "processes and threads; one more, and fork fails with EAGAIN";
            let most = most.or("max");
            settings.push(Setting::new(("pids", "--pids-limit"), "pids.max", most, meaning));
        }
        settings
    }
}
