//! Which hierarchies a container joins from the start. Each one costs time, so that those which only
//! limit are left until somebody asks for a limit of theirs: with `run`, or later with `update`.

use crate::hierarchy::Names;
use crate::v2;
use kernel::cgroup::{Hierarchy, Version};

/// The controllers in whose hierarchies a container always gets a group, as they count what it uses.
/// With version 2 mounted beside, that one counts processor time and threads, and kills.
fn counting(unified: bool) -> &'static [&'static str] {
    if unified { &["memory", "blkio"] } else { &["freezer", "memory", "blkio", "cpuacct"] }
}

/// Those that only limit: a group there is made when a limit is asked for, as each one costs time.
const LIMITING: &[&str] = &["cpu", "cpuset", "pids"];

/// Leaves those that a container may have a group in.
pub(crate) fn keep_useful(hierarchies: &mut Vec<Hierarchy>) {
    let counting = counting(is_unified(hierarchies));
    hierarchies.retain(|hierarchy| {
        let useful = has(hierarchy, counting) || has(hierarchy, LIMITING);
        hierarchy.own.is_some() && (hierarchy.version == Version::V2 || useful)
    });
}

/// Whether a container joins one of these hierarchies from the start, if limits of the controllers
/// in `asked` are.
pub(crate) fn is_joined(hierarchy: &Hierarchy, used: &[Hierarchy], asked: &[&str]) -> bool {
    let counts = has(hierarchy, counting(is_unified(used)));
    hierarchy.version == Version::V2 || counts || has(hierarchy, asked)
}

fn is_unified(hierarchies: &[Hierarchy]) -> bool {
    hierarchies.first().is_some_and(|first| first.version == Version::V2)
}

/// Whether a hierarchy has one of these controllers.
pub(crate) fn has(hierarchy: &Hierarchy, names: &[&str]) -> bool {
    hierarchy.controllers.iter().any(|own| names.contains(&own.as_str()))
}

/// Whether there is a controller to be given, or one is needed. In a hybrid, version 1 has them.
pub(crate) fn gives(hierarchy: &Hierarchy, needed: Names) -> bool {
    !needed.is_empty() || has(hierarchy, &v2::CONTROLLERS)
}
