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

impl Options {
    /// Whose limits are to be changed.
    pub fn containers(&self) -> &[String] {
        &self.containers
    }

    /// What is asked for, as far as it can be checked without knowing what is in force.
    pub fn limits(&self) -> Result<Limits> {
        self.limits.resolve()
    }
}

/// Changes the limits of each container and names it.
pub fn update(options: &Options) -> Result<u8> {
    let asked = options.limits()?;
    if asked == Limits::default() {
        return Err(nothing_asked());
    }
    console::each(&options.containers, |name| {
        change(name, &mut find::container(name)?.group, &asked)?;
        Ok(name.clone())
    })
}

/// Docker's words for no option at all.
pub fn nothing_asked() -> anyhow::Error {
    let failure = Failure::new("You must provide one or more flags when using this command.");
    failure.remedy("name a limit, as -m 128m").code(OURS).into()
}

/// Changes the limits of a group; returns what was asked for, with what it brings with it.
pub fn change(name: &str, group: &mut Group, asked: &Limits) -> Result<Limits> {
    write(group, asked)
        .map_err(|error| if is_value(&error) { error } else { find::not_ours(name, error) })
        .with_context(|| cannot_update(name))
}

/// The limits of a container that does not run, changed.
pub fn change_recorded(name: &str, recorded: &Limits, asked: &Limits) -> Result<Limits> {
    // Of memory and swap together what was not asked for is not known: it goes with memory.
    let both = recorded.memory_and_swap;
    let memory = Memory { version: Version::V2, memory: recorded.memory, both };
    let change = || {
        let limits = merge(recorded, &memory.complete(asked)?);
        limit_options::check_memory(&limits).map(|()| limits)
    };
    change().with_context(|| cannot_update(name))
}

fn cannot_update(name: &str) -> String {
    format!("Cannot update container {name}")
}

/// Those that are asked for, and of the others what was there before.
pub fn merge(before: &Limits, asked: &Limits) -> Limits {
    let (before, asked) = (before.clone(), asked.clone());
    Limits {
        memory: asked.memory.or(before.memory),
        memory_and_swap: asked.memory_and_swap.or(before.memory_and_swap),
        memory_reservation: asked.memory_reservation.or(before.memory_reservation),
        nano_cpus: asked.nano_cpus.or(before.nano_cpus),
        cpu_shares: asked.cpu_shares.or(before.cpu_shares),
        cpuset_cpus: asked.cpuset_cpus.or(before.cpuset_cpus),
        cpuset_mems: asked.cpuset_mems.or(before.cpuset_mems),
        pids: asked.pids.or(before.pids),
        // Of these nobody can ask for others.
        devices: before.devices,
    }
}

/// Whether it is the value that the kernel refused: whose the file is it has checked before that,
/// when the file was opened.
fn is_value(error: &anyhow::Error) -> bool {
    error.downcast_ref::<kernel::Error>().is_some_and(|error| error.call == "write")
}

fn write(group: &mut Group, asked: &Limits) -> Result<Limits> {
    late::join(group, asked)?;
    let now = Memory::of(group)?;
    let limits = now.complete(asked)?;
    if now.has_to_grow_first(&limits) {
        let both = limits.memory_and_swap;
        group.limit(&Limits { memory_and_swap: both, ..Limits::default() })?;
    }
    group.limit(&limits).map(|()| limits)
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
    fn a_record_keeps_what_is_not_named_too() {
        let recorded = Limits { pids: Some(Most::Is(7)), ..asked(Some(64), None) };
        let of = |new: Limits| change_recorded("web", &recorded, &new).unwrap();
        let more = of(Limits { nano_cpus: Some(5), ..asked(Some(200), None) });
        let expected = Limits { nano_cpus: Some(5), memory: Some(200 * MIB), ..recorded.clone() };
        assert_eq!(more, expected);
        let swap = of(asked(None, Some(Most::Unlimited)));
        assert_eq!((swap.memory, swap.memory_and_swap), (Some(64 * MIB), Some(Most::Unlimited)));
        let less = change_recorded("web", &swap, &asked(None, Some(Most::Is(63 * MIB))));
        let words = format!("{:#}", less.unwrap_err());
        assert!(words.starts_with("Cannot update container web: Minimum memoryswap"), "{words}");
        let reserved = Limits { memory_reservation: Some(32 * MIB), ..recorded };
        change_recorded("web", &reserved, &asked(Some(16), None)).unwrap_err();
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
