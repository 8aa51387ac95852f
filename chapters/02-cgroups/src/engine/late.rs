//! A container that is to be limited by a controller of version 1 whose hierarchy it has not joined:
//! its group there is made now, and its processes are moved. By their numbers, from outside: each
//! move waits for an RCU grace period, which is why a start does not do it so.

use crate::engine::joined;
use crate::group::{Group, Place};
use crate::hierarchy::{self, OURS};
use crate::limits::Limits;
use crate::v1;
use anyhow::{Context, Result};
use kernel::cgroup::{self, Hierarchy, Version};
use kernel::{Errno, Pid};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// Joins the hierarchies that these limits need.
pub(crate) fn join(group: &mut Group, limits: &Limits) -> Result<()> {
    let asked: Vec<&str> = v1::settings(limits).iter().map(|setting| setting.controller).collect();
    for hierarchy in hierarchy::used()? {
        let needed = hierarchy.version == Version::V1 && joined::has(&hierarchy, &asked);
        let points = || group.places.iter().any(|p| p.directory.starts_with(&hierarchy.point));
        if needed && !points() {
            let place = move_into(group, &hierarchy)?;
            group.places.push(place);
        }
    }
    Ok(())
}

fn move_into(group: &Group, hierarchy: &Hierarchy) -> Result<Place> {
    let first = group.processes().first().copied().context("the container has ended")?;
    let base = directory_of(first, hierarchy)?;
    let ours = hierarchy::make_ours_in(&base, hierarchy, &[])?;
    let place = Place::new(hierarchy, ours.join(&group.name));
    cgroup::make(&place.directory, 0o755)?;
    // Until none is left outside: whoever was born meanwhile began where its parent was.
    loop {
        let moved: BTreeSet<Pid> = place.processes().into_iter().collect();
        let outside: Vec<Pid> =
            group.processes().into_iter().filter(|pid| !moved.contains(pid)).collect();
        if outside.is_empty() {
            return Ok(place);
        }
        for pid in outside {
            let procs = place.directory.join("cgroup.procs");
            match cgroup::set(&procs, &pid.to_string()) {
                // It has ended meanwhile.
                Err(error) if error.errno == Errno::ESRCH => {}
                set => set?,
            }
        }
    }
}

/// The group that a process is in, in one hierarchy: the one that its container was started in.
fn directory_of(pid: Pid, hierarchy: &Hierarchy) -> Result<PathBuf> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let names = hierarchy.controllers.join(",");
    let line = groups.lines().find(|line| line.split(':').nth(1) == Some(&names));
    let directory = line
        .and_then(|line| line.splitn(3, ':').nth(2))
        .and_then(|path| hierarchy.directory(path))
        .with_context(|| format!("the group of process {pid} for {names}"))?;
    debug_assert!(!directory.parent().is_some_and(|parent| parent.ends_with(OURS)));
    Ok(directory)
}
