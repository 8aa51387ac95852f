//! `clean`: removes everything of ours and says what. It touches only what is provably ours: lab
//! roots in our data directory, and processes under a /dev that we mounted whose command line is
//! gone.

use crate::engine::{labroot, spaces};
use anyhow::Result;
use kernel::signal::Signal;
use kernel::{Pid, process};
use std::collections::BTreeMap;
use std::path::Path;

/// Cleans; returns a line for each thing.
pub fn clean(data: &Path) -> Result<String> {
    let mut lines = Vec::new();
    for (id, pids) in containers()? {
        let short = &id[..12];
        if let Some(owner) = pids.iter().find_map(|pid| command_line_of(*pid)) {
            lines.push(format!("in use: container {short}, run by process {owner}: left alone"));
            continue;
        }
        for pid in &pids {
            // It may have ended meanwhile, which is what we want.
            if let Ok(pidfd) = process::open(*pid) {
                process::send_signal(pidfd, Signal::SIGKILL)?;
            }
        }
        lines.push(format!("ended: container {short}, whose command line was gone"));
    }
    let labs = labroot::remove_all(data)?;
    for path in &labs.removed {
        lines.push(format!("removed: {}", path.display()));
    }
    for path in &labs.in_use {
        lines.push(format!("in use: {}: left alone", path.display()));
    }
    if lines.is_empty() {
        lines.push("nothing to clean".into());
    }
    Ok(lines.join("\n") + "\n")
}

/// The processes of each container of ours.
fn containers() -> Result<BTreeMap<String, Vec<Pid>>> {
    let mut containers: BTreeMap<String, Vec<Pid>> = BTreeMap::new();
    for pid in spaces::processes()? {
        if let Some(id) = spaces::container_of(pid) {
            containers.entry(id).or_default().push(pid);
        }
    }
    Ok(containers)
}

/// The parent of a container's first process, if it is a command line of ours.
fn command_line_of(pid: Pid) -> Option<Pid> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
    let parent = Pid::from_raw(parent);
    let name = std::fs::read_to_string(format!("/proc/{parent}/comm")).ok()?;
    let inside = spaces::container_of(parent).is_some();
    (name.starts_with("minidock-") && !inside).then_some(parent)
}
