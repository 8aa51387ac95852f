//! `clean`: removes everything of ours and says what. It touches only what is provably ours: lab
//! roots in our data directory, and processes under a /dev that we mounted whose command line is
//! gone.

use crate::engine::{labbox, labroot, spaces};
use anyhow::Result;
use console::options::Global;
use kernel::signal::Signal;
use kernel::{Pid, process};
use std::collections::BTreeMap;
use std::path::Path;

/// Cleans, and says what it did.
pub fn clean(global: &Global) -> Result<()> {
    let ended = end_containers()?;
    let data = global.data_directory()?;
    if data.join("lab").exists() {
        console::print(ended)?;
        // Users of a lab box may own files in a lab, which only root in such a box can remove.
        labbox::enter_unless_root(global.rootless, false)?;
        let removed = remove_labs(&data)?;
        if global.has_default_directory() {
            // It stays if something is in it.
            let _emptied = std::fs::remove_dir(&data);
        }
        return console::print(removed);
    }
    console::print(if ended.is_empty() { "nothing to clean\n".into() } else { ended })
}

fn end_containers() -> Result<String> {
    let mut lines = String::new();
    for (id, pids) in containers()? {
        let short = &id[..12];
        if let Some(owner) = pids.iter().find_map(|pid| command_line_of(*pid)) {
            lines += &format!("in use: container {short}, run by process {owner}: left alone\n");
            continue;
        }
        for pid in &pids {
            // It may have ended meanwhile, which is what we want.
            if let Ok(pidfd) = process::open(*pid) {
                process::send_signal(pidfd, Signal::SIGKILL)?;
            }
        }
        lines += &format!("ended: container {short}, whose command line was gone\n");
    }
    Ok(lines)
}

fn remove_labs(data: &Path) -> Result<String> {
    let labs = labroot::remove_all(data)?;
    let removed = labs.removed.iter().map(|path| format!("removed: {}\n", path.display()));
    let in_use = labs.in_use.iter().map(|path| format!("in use: {}: left alone\n", path.display()));
    Ok(removed.chain(in_use).collect())
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
