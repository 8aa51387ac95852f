//! Which trees of groups there are here, and where in them our groups go: below the group that we
//! were started in, so that whatever limits us limits our containers, too; in version 2 beside it.
//!
//! ```text
//!  version 2 alone          /sys/fs/cgroup                          one tree, all controllers
//!  version 1                /sys/fs/cgroup/{memory,cpu,pids,…}      a tree for each
//!  hybrid                   the same, and …/unified beside it       version 2, without controllers
//! ```
//!
//! Wherever version 2 is mounted it comes first: even without a controller it starts a process in
//! its group and kills a group as one, which version 1 cannot, and it freezes one.

use crate::engine::joined::{self, gives, has};
use crate::engine::refuse;
use crate::{v1, v2};
use anyhow::{Context, Result};
use kernel::cgroup::{self, Hierarchy, Version};
use std::path::{Path, PathBuf};

/// The directory, in each hierarchy, that holds the groups of our containers.
pub const OURS: &str = "minidock";

/// Controllers, by their names in version 2.
pub type Names<'a> = &'a [&'static str];

/// The hierarchies in which a container has a group, version 2 first. None if there are no control
/// groups here.
pub fn used() -> Result<Vec<Hierarchy>> {
    let mut all = cgroup::hierarchies().context("look for control groups")?;
    joined::keep_useful(&mut all);
    // Without version 2, it is the freezer that kills a group as one: it comes first then.
    all.sort_by_key(|h| h.version == Version::V1 && !has(h, &["freezer"]));
    Ok(all)
}

/// Makes the directory for our groups in a hierarchy, unless it is there, and sees to it that
/// groups in it have the controllers in `needed`.
pub fn make_ours(hierarchy: &Hierarchy, needed: Names) -> Result<PathBuf> {
    let base = match hierarchy.version {
        Version::V2 if gives(hierarchy, needed) => v2::delegate(hierarchy, needed)?,
        _ => hierarchy.own.clone().context("our own group cannot be seen here")?,
    };
    make_ours_in(&base, hierarchy, needed)
}

/// The same, where the group that ours go into is known.
pub fn make_ours_in(base: &Path, hierarchy: &Hierarchy, needed: Names) -> Result<PathBuf> {
    let ours = base.join(OURS);
    cgroup::make(&ours, 0o755)?;
    let prepared = match hierarchy.version {
        Version::V2 if gives(hierarchy, needed) => {
            v2::enable(&ours, needed, &v2::CONTROLLERS).map_err(refuse::controller)
        }
        Version::V1 if has(hierarchy, &["cpuset"]) => v1::inherit_cpuset(base, &ours),
        _ => Ok(()),
    };
    match prepared {
        // `clean` has removed it meanwhile, as it was empty.
        Err(_) if !ours.exists() => make_ours_in(base, hierarchy, needed),
        prepared => prepared.map(|()| ours),
    }
}
