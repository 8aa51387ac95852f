//! Version 2: our groups lie beside the one that we were started in, as that one has processes. So its
//! limits would not hold for them. Each container is given the same, where its own are not lower.

use crate::group::Group;
use anyhow::Result;
use kernel::cgroup::{self, Hierarchy, Version};
use std::cmp::Ordering;
use std::fs;

/// The limits that are handed on.
const FILES: [&str; 4] = ["memory.max", "memory.swap.max", "pids.max", "cpu.max"];

/// Gives a group the limits of the group that we are in.
pub(crate) fn limits(group: &Group, hierarchies: &[Hierarchy]) -> Result<()> {
    let v2 = |version| version == Version::V2;
    let own = hierarchies.iter().find(|hierarchy| v2(hierarchy.version));
    let Some(own) = own.and_then(|hierarchy| hierarchy.own.as_ref()) else { return Ok(()) };
    let beside = group.places.iter().filter(|place| v2(place.version));
    for place in beside.filter(|place| !place.directory.starts_with(own)) {
        for file in FILES {
            let read = |group: &std::path::Path| fs::read_to_string(group.join(file)).ok();
            let (Some(ours), Some(now)) = (read(own), read(&place.directory)) else { continue };
            let ours = ours.trim();
            if share(ours).partial_cmp(&share(&now)) == Some(Ordering::Less) {
                let title = format!("{file} = {ours}");
                let why = "so much the group has that we were started in, beside which it lies";
                kernel::explain::heading("parent", &title, why);
                cgroup::set(&place.directory.join(file), ours)?;
            }
        }
    }
    Ok(())
}

/// How much a limit allows: `max`, a number, or, of the processors, microseconds of so many.
fn share(limit: &str) -> f64 {
    let mut words = limit.split_whitespace().map(|word| word.parse().unwrap_or(f64::INFINITY));
    let (most, of) = (words.next().unwrap_or(f64::INFINITY), words.next().unwrap_or(1.0));
    most / of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_compared_by_what_they_allow() {
        assert!(share("1024") < share("max") && share("64\n") < share("65"));
        assert!(share("50000 100000") < share("max 100000"));
        assert!(share("20000 20000") > share("50000 100000"));
    }
}
