//! Which group a process is in (/proc/PID/cgroup in cgroups(7)).

use crate::group::{Group, Place};
use crate::hierarchy::{self, OURS};
use anyhow::{Context, Result};
use kernel::Pid;
use kernel::cgroup::{Hierarchy, Version};
use std::path::{Path, PathBuf};

/// The group that a process is in, if it is one of ours.
pub fn group_of(pid: Pid) -> Result<Option<Group>> {
    let groups = kernel::text::read(format!("/proc/{pid}/cgroup"))
        .with_context(|| format!("the groups of process {pid}"))?;
    let (mut name, mut places) = (String::new(), Vec::new());
    for hierarchy in hierarchy::used()? {
        if let Some(directory) = ours(&groups, &hierarchy) {
            name = directory.file_name().unwrap_or_default().to_string_lossy().into();
            places.push(Place::new(&hierarchy, directory));
        }
    }
    Ok((!places.is_empty()).then(|| Group::found(name, places)))
}

/// The directory of that group in one hierarchy; none if the process is in none of ours, or gone.
pub fn directory_of(pid: Pid, hierarchy: &Hierarchy) -> Option<PathBuf> {
    ours(&kernel::text::read(format!("/proc/{pid}/cgroup")).ok()?, hierarchy)
}

fn ours(groups: &str, hierarchy: &Hierarchy) -> Option<PathBuf> {
    let names = match hierarchy.version {
        Version::V2 => String::new(),
        Version::V1 => hierarchy.controllers.join(","),
    };
    let line = groups.lines().find(|line| line.split(':').nth(1) == Some(&names))?;
    let directory = hierarchy.directory(line.splitn(3, ':').nth(2)?)?;
    // A process may have gone on into a group below its container's.
    let ours = directory.ancestors().find(|d| d.parent().is_some_and(|p| p.ends_with(OURS)));
    ours.map(Path::to_owned)
}
