//! Which trees of groups there are here, and where in them our groups go: below the group that we
//! were started in, so that whatever limits us limits our containers, too.
//!
//! ```text
//!  version 2 alone          /sys/fs/cgroup                          one tree, all controllers
//!  version 1                /sys/fs/cgroup/{memory,cpu,pids,…}      a tree for each
//!  hybrid                   the same, and …/unified beside it       version 2, without controllers
//! ```
//!
//! Wherever version 2 is mounted it comes first: even without a controller it starts a process in
//! its group, freezes and kills a group as one, which version 1 cannot.

use crate::engine::refuse;
use crate::{v1, v2};
use anyhow::{Context, Result};
use kernel::cgroup::{self, Hierarchy, Version};
use std::path::PathBuf;

/// The directory, in each hierarchy, that holds the groups of our containers.
pub const OURS: &str = "minidock";

/// The hierarchies in which a container has a group, version 2 first. None if there are no control
/// groups here.
pub fn used() -> Result<Vec<Hierarchy>> {
    let mut all = cgroup::hierarchies().context("look for control groups")?;
    let unified = all.first().is_some_and(|first| first.version == Version::V2);
    all.retain(|hierarchy| {
        let has = |name: &&str| hierarchy.controllers.iter().any(|own| own == name);
        let freezes = !unified && has(&"freezer");
        let useful = freezes || v1::CONTROLLERS.iter().any(has);
        hierarchy.own.is_some() && (hierarchy.version == Version::V2 || useful)
    });
    // Without version 2, it is the freezer that kills a group as one: it comes first then.
    all.sort_by_key(|h| h.version == Version::V1 && !h.controllers.iter().any(|c| c == "freezer"));
    Ok(all)
}

/// Makes the directory for our groups in a hierarchy, unless it is there, and sees to it that
/// groups in it have the controllers in `needed`.
pub fn make_ours(hierarchy: &Hierarchy, needed: &[&'static str]) -> Result<PathBuf> {
    let base = match hierarchy.version {
        Version::V1 => hierarchy.own.clone().unwrap_or_default(),
        Version::V2 => v2::delegate(hierarchy, needed)?,
    };
    let ours = base.join(OURS);
    cgroup::make(&ours)?;
    let prepared = match hierarchy.version {
        Version::V2 => v2::enable(&ours, needed, &v2::CONTROLLERS).map_err(refuse::controller),
        Version::V1 if hierarchy.controllers.iter().any(|name| name == "cpuset") => {
            v1::inherit_cpuset(&base, &ours)
        }
        Version::V1 => Ok(()),
    };
    match prepared {
        // `clean` has removed it meanwhile, as it was empty.
        Err(_) if !ours.exists() => make_ours(hierarchy, needed),
        prepared => prepared.map(|()| ours),
    }
}
