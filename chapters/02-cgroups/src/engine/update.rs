//! `update`: other limits for containers that run, in an order that the kernel takes.

use crate::counters;
use crate::engine::limit_options::{self, LimitOptions};
use crate::engine::{find, late};
use crate::group::Group;
use crate::limits::{Limits, Most};
use anyhow::{Context, Result};
use console::failure::{Failure, OURS};
use kernel::cgroup::Version;
use std::fs;

/// Options of `update`.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Name or id, or the beginning of an id
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
    #[command(flatten)]
    limits: LimitOptions,
}

/// Changes the limits of each container and names it.
pub fn update(options: &Options) -> Result<u8> {
    let asked = options.limits.resolve()?;
    if asked == Limits::default() {
        let failure = Failure::new("You must provide one or more flags when using this command.");
        return Err(failure.remedy("name a limit, as -m 128m").code(OURS).into());
    }
    console::each(&options.containers, |name| {
        change(&mut find::group(name)?, &asked)
            .map_err(|error| if is_value(&error) { error } else { find::not_ours(name, error) })
            .with_context(|| format!("Cannot update container {name}"))?;
        Ok(name.clone())
    })
}

/// Whether it is the value that the kernel refused: whose the file is it has checked before that,
/// when the file was opened.
fn is_value(error: &anyhow::Error) -> bool {
    error.downcast_ref::<kernel::Error>().is_some_and(|error| error.call == "write")
}

fn change(group: &mut Group, asked: &Limits) -> Result<()> {
    late::join(group, asked)?;
    let now = Memory::of(group)?;
    let limits = now.complete(asked)?;
    if now.has_to_grow_first(&limits) {
        let both = limits.memory_and_swap;
        group.limit(&Limits { memory_and_swap: both, ..Limits::default() })?;
    }
    group.limit(&limits)
}

/// The limits of memory that are in force.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Memory {
    version: Version,
    memory: Option<u64>,
    /// Memory and swap together; none if the kernel does not count swap.
    both: Option<Most>,
}

impl Memory {
    fn of(group: &Group) -> Result<Memory> {
        let memory = counters::memory_limit(group);
        let place = group.with("memory");
        let version = place.map_or(Version::V2, |place| place.version);
        let file = match version {
            Version::V1 => "memory.memsw.limit_in_bytes",
            Version::V2 => "memory.swap.max",
        };
        let text = place.and_then(|place| fs::read_to_string(place.directory.join(file)).ok());
        let both = text.map(|text| match (version, text.trim().parse::<u64>(), memory) {
            // As far as a page counter goes, which is no limit.
            (Version::V1, Ok(both), _) if both < 1 << 62 => Most::Is(both),
            (Version::V2, Ok(swap), Some(memory)) => Most::Is(memory.saturating_add(swap)),
            _ => Most::Unlimited,
        });
        Ok(Memory { version, memory, both })
    }

    /// What was asked for, and what stays as it is: of memory and of memory and swap together, each
    /// stays until it is named.
    fn complete(&self, asked: &Limits) -> Result<Limits> {
        let (memory, both) = match (asked.memory, asked.memory_and_swap) {
            (Some(memory), None) => match self.both {
                Some(Most::Is(both)) if memory > both => return Err(above_the_swap()),
                // It had no limit: the usual one for memory and swap comes with the first.
                Some(Most::Unlimited) if self.memory.is_none() => (Some(memory), None),
                both => (Some(memory), both),
            },
            (None, Some(_)) if self.memory.is_none() => {
                return Err(limit_options::swap_without_memory());
            }
            (None, Some(both)) => (self.memory, Some(both)),
            as_asked => as_asked,
        };
        let limits = Limits { memory, memory_and_swap: both, ..asked.clone() };
        limit_options::check_memory(&limits)?;
        Ok(limits)
    }

    /// Version 1 keeps memory at or below memory and swap together at every moment (EINVAL): what
    /// both may have has to rise before memory does, and to fall after it, which is the usual order.
    fn has_to_grow_first(&self, limits: &Limits) -> bool {
        let grows = match (self.both, limits.memory_and_swap) {
            (Some(Most::Is(now)), Some(Most::Is(new))) => new > now,
            (Some(Most::Is(_)), Some(Most::Unlimited)) => true,
            _ => false,
        };
        self.version == Version::V1 && grows
    }
}

fn above_the_swap() -> anyhow::Error {
    let message = "Memory limit should be smaller than already set memoryswap limit, update the \
                   memoryswap at the same time";
    Failure::new(message).remedy("give --memory-swap, too; -1 for all the swap there is").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn now(memory: u64, both: u64) -> Memory {
        let both = Some(Most::Is(both * MIB));
        Memory { version: Version::V1, memory: Some(memory * MIB), both }
    }

    fn asked(memory: Option<u64>, both: Option<Most>) -> Limits {
        Limits { memory: memory.map(|m| m * MIB), memory_and_swap: both, ..Limits::default() }
    }

    #[test]
    fn what_is_not_named_stays() {
        let of = |limits: Limits| (limits.memory, limits.memory_and_swap);
        let both = |mib| Some(Most::Is(mib * MIB));
        let lower = now(64, 128).complete(&asked(Some(32), None)).unwrap();
        assert_eq!(of(lower), (Some(32 * MIB), both(128)));
        let swap = now(64, 128).complete(&asked(None, both(64))).unwrap();
        assert_eq!(of(swap), (Some(64 * MIB), both(64)));
        let pids = Limits { pids: Some(Most::Is(7)), ..Limits::default() };
        assert_eq!(now(64, 128).complete(&pids).unwrap(), pids);
        // The first limit brings the usual one for both; a kernel that counts no swap has none.
        let none = Memory { version: Version::V2, memory: None, both: Some(Most::Unlimited) };
        assert_eq!(of(none.complete(&asked(Some(32), None)).unwrap()), (Some(32 * MIB), None));
        let uncounted = Memory { both: None, ..now(64, 128) };
        assert_eq!(of(uncounted.complete(&asked(Some(99), None)).unwrap()), (Some(99 * MIB), None));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let words = |now: Memory, asked| now.complete(&asked).unwrap_err().to_string();
        let above = words(now(64, 128), asked(Some(129), None));
        assert!(above.starts_with("Memory limit should be smaller than already set"), "{above}");
        let below = words(now(64, 128), asked(None, Some(Most::Is(63 * MIB))));
        assert!(below.starts_with("Minimum memoryswap limit should be larger"), "{below}");
        let alone = Memory { memory: None, both: Some(Most::Unlimited), ..now(1, 1) };
        let alone = words(alone, asked(None, Some(Most::Unlimited)));
        assert!(alone.starts_with("You should always set the Memory limit"), "{alone}");
    }

    #[test]
    fn both_together_rise_before_memory_and_fall_after_it() {
        let first = |new: Most| {
            let limits = now(64, 128).complete(&asked(Some(100), Some(new))).unwrap();
            now(64, 128).has_to_grow_first(&limits)
        };
        assert!(first(Most::Is(129 * MIB)) && first(Most::Unlimited));
        assert!(!first(Most::Is(128 * MIB)) && !first(Most::Is(100 * MIB)));
    }
}
