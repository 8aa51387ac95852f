//! `run`: chapter 01's, with a name and limits.

use crate::cgroup::ControlGroups;
use crate::engine::device_options::DeviceOptions;
use crate::engine::limit_options::{self, LimitOptions};
use crate::engine::names;
use crate::engine::process_limits::{ProcessLimits, ProcessOptions};
use crate::limits::{Limits, Most};
use anyhow::Result;

/// Options of `run`.
#[derive(clap::Args, Debug)]
// clap's name for the options of one structure: chapter 01's has the usual one.
#[group(skip)]
pub struct Options {
    #[command(flatten)]
    container: namespaces::engine::run::Options,
    /// Give it a name [default: its id]
    #[arg(long, allow_hyphen_values = true)]
    name: Option<String>,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    devices: DeviceOptions,
    #[command(flatten)]
    process: ProcessOptions,
}

impl Options {
    /// Chapter 01's options.
    pub fn container(&self) -> &namespaces::engine::run::Options {
        &self.container
    }

    /// Them, and the mechanisms that keep the limits.
    pub fn resolve(
        self,
    ) -> Result<(namespaces::engine::run::Options, ControlGroups, ProcessLimits)> {
        self.name.as_deref().map_or(Ok(()), names::check)?;
        let limits = Limits { devices: self.devices.resolve()?, ..self.limits.resolve()? };
        if limits.memory_and_swap.is_some() && limits.memory.is_none() {
            return Err(limit_options::swap_without_memory());
        }
        // A new group has no limit of processes: to lift it, no controller is needed.
        let limits = Limits { pids: limits.pids.filter(|most| *most != Most::Unlimited), ..limits };
        let process = self.process.resolve()?;
        Ok((self.container, ControlGroups::new(self.name, limits), process))
    }
}
