//! What `ps`, `stats` and `pause` ask of a group besides its use.

use crate::counters::{field, number, read};
use crate::group::Group;
use kernel::cgroup::Version;

/// The most processes that a group may have.
pub fn pids_limit(group: &Group) -> Option<u64> {
    group.with("pids").and_then(|place| number(place, "pids.max"))
}

/// Whether all processes of a group are stopped where they are.
pub fn is_frozen(group: &Group) -> bool {
    let core = group.places.first();
    core.is_some_and(|place| match place.version {
        Version::V2 => field(place, "cgroup.events", "frozen") == Some(1),
        Version::V1 => read(place, "freezer.state").is_some_and(|state| state.trim() == "FROZEN"),
    })
}
