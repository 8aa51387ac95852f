//! Which group a process is in (/proc/PID/cgroup in cgroups(7)).

use crate::group::{Group, Place};
use crate::hierarchy::{self, OURS};
use anyhow::{Context, Result};
use kernel::Pid;
use kernel::cgroup::Version;
use std::fs;

/// The group that a process is in, if it is one of ours.
pub fn group_of(pid: Pid) -> Result<Option<Group>> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"))
        .with_context(|| format!("the groups of process {pid}"))?;
    let (mut name, mut places) = (String::new(), Vec::new());
    for hierarchy in hierarchy::used()? {
        let names = match hierarchy.version {
            Version::V2 => String::new(),
            Version::V1 => hierarchy.controllers.join(","),
        };
        let of_this = |line: &&str| line.split(':').nth(1) == Some(&names);
        let path = groups.lines().find(of_this).and_then(|line| line.splitn(3, ':').nth(2));
        let Some(directory) = path.and_then(|path| hierarchy.directory(path)) else { continue };
        // A process may have gone on into a group below its container's.
        let ours = directory.ancestors().find(|d| d.parent().is_some_and(|p| p.ends_with(OURS)));
        if let Some(directory) = ours {
            name = directory.file_name().unwrap_or_default().to_string_lossy().into();
            places.push(Place::new(&hierarchy, directory.into()));
        }
    }
    Ok((!places.is_empty()).then(|| Group::found(name, places)))
}
