//! What the shims of running containers keep in memory, as the kernel counts it (smaps_rollup in
//! proc_pid_smaps(5)): the shim of a container is its first process's parent.

use crate::ground::PROBE;
use crate::results::Outcome;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use testkit::host;

/// The unit of memory.
pub const UNIT: &str = "KiB";

/// What the shims keep of so many containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Of how many.
    pub name: String,
    /// What started each.
    pub command: String,
    /// [`UNIT`].
    pub unit: String,
    /// The largest of them, or why there is none.
    #[serde(flatten)]
    pub outcome: Outcome<Resident>,
}

/// The largest of several processes, number by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resident {
    /// How many.
    pub count: usize,
    /// Pages in memory, whoever else has them, too: VmRSS.
    pub resident: u64,
    /// The same, each divided by how many processes have it: with those of all others, that is what there is.
    pub proportional: u64,
    /// Pages that are of no file.
    pub anonymous: u64,
}

impl Memory {
    /// Of containers that this command starts.
    pub fn new(name: &str, command: String, outcome: Outcome<Resident>) -> Memory {
        Memory { name: name.into(), command, unit: UNIT.into(), outcome }
    }

    /// The numbers, if there are any.
    pub fn measured(&self) -> Option<&Resident> {
        self.outcome.measured()
    }
}

/// Of the shims of so many containers in this store, which run [`PROBE`].
///
/// # Errors
/// If they do not, or the kernel counts no memory.
pub fn look(state: &Path, containers: usize) -> Result<Outcome<Resident>> {
    // What has just been started may still be about to become its command.
    let all = testkit::wait_at_most(testkit::PATIENCE, || {
        Some(shims(state)).filter(|all| all.len() == containers)
    });
    let all = all.with_context(|| format!("no {containers} shims in {}", state.display()))?;
    let mut largest = Resident { count: all.len(), ..Resident::default() };
    for pid in all {
        let file = format!("/proc/{pid}/smaps_rollup");
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let not_measured = "this kernel counts no process's pages".into();
                return Ok(Outcome::NotMeasured { not_measured });
            }
            text => text.context(file)?,
        };
        largest = largest.or(&text).context("smaps_rollup")?;
    }
    Ok(Outcome::Measured(largest))
}

/// The parents of first processes, where their command line names the store.
fn shims(state: &Path) -> BTreeSet<i32> {
    let words = |pid: i32| host::cmdline(pid).unwrap_or_default();
    let is_first = |pid: &i32| words(*pid).first().is_some_and(|word| word == PROBE);
    let parent = |pid: i32| host::status(pid, "PPid")?.parse().ok();
    let is_of_store = |pid: &i32| words(*pid).iter().any(|word| Path::new(word) == state);
    host::processes().into_iter().filter(is_first).filter_map(parent).filter(is_of_store).collect()
}

impl Resident {
    /// Each number, or that of this file if it is larger.
    fn or(self, smaps: &str) -> Option<Resident> {
        let field = |name: &str| -> Option<u64> {
            let line = smaps.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.trim().strip_suffix(" kB")?.parse().ok()
        };
        Some(Resident {
            count: self.count,
            resident: self.resident.max(field("Rss")?),
            proportional: self.proportional.max(field("Pss")?),
            anonymous: self.anonymous.max(field("Anonymous")?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_the_largest_of_all() {
        let of = |rss, pss, anonymous| {
            format!(
                "1-2 ---p 00000000 00:00 0   [rollup]\nRss:   {rss} kB\nPss: {pss} kB\n\
                 Pss_Anon: 7777 kB\nAnonymous:    {anonymous} kB\nLocked: 0 kB\n"
            )
        };
        let all = Resident { count: 2, ..Resident::default() };
        let all = all.or(&of(300, 20, 1)).unwrap().or(&of(200, 30, 1)).unwrap();
        assert_eq!(all, Resident { count: 2, resident: 300, proportional: 30, anonymous: 1 });
        assert_eq!(all.or("Rss: 1 kB\n"), None);
    }
}
