//! How many processes and threads a group has.

use crate::counters::{number, read};
use crate::group::Group;
use kernel::cgroup::Version;

/// By the controller that limits them; without it, by counting the list of them.
pub(crate) fn count(group: &Group) -> Option<u64> {
    if let Some(place) = group.with("pids") {
        return number(place, "pids.current");
    }
    let core = group.places.first()?;
    let list = if core.version == Version::V2 { "cgroup.threads" } else { "tasks" };
    Some(read(core, list)?.lines().count() as u64)
}
