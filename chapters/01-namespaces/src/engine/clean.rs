//! `clean`: removes everything of ours and says what. It touches only what is provably ours and
//! nobody's any more: lab roots that no command line holds, and processes under a /dev that we
//! mounted for whose end nobody waits.

use crate::engine::{labbox, labroot, run, spaces};
use anyhow::Result;
use console::options::Global;
use kernel::signal::Signal;
use kernel::{Pid, process};
use std::collections::BTreeMap;
use std::path::Path;

/// Cleans, and says what it did, after what others have said that they did. What a later chapter has to
/// remove, it does once no container is left that nobody waits for, and before the labs go.
pub fn clean(global: &Global, said: String, later: impl FnOnce() -> Result<String>) -> Result<()> {
    let ended = said + &end_containers()?;
    let data = global.data_directory()?;
    let mut lines = ended + &later()?;
    if data.join("lab").exists() {
        // Users of a lab box may own files in a lab, which only root in such a box can remove.
        console::print(std::mem::take(&mut lines))?;
        labbox::enter_unless_root(global.rootless, false)?;
        lines = remove_labs(&data)?;
    } else if lines.is_empty() {
        lines = "nothing to clean\n".into();
    }
    if global.has_default_directory() {
        // It stays if something is in it.
        let _emptied = std::fs::remove_dir(&data);
    }
    console::print(lines)
}

fn end_containers() -> Result<String> {
    let mut lines = String::new();
    let here = spaces::container_of(Pid::this());
    for (id, pids) in containers()? {
        let short = &id[..12];
        // A command may clean from within a container of its own: that one is in use.
        if here.as_ref() == Some(&id) || pids.iter().any(|pid| somebody_waits_for(*pid)) {
            lines += &format!("in use: container {short}: left alone\n");
            continue;
        }
        let ended = pids.iter().try_for_each(|pid| match process::open(*pid) {
            Ok(pidfd) => process::send_signal(pidfd, Signal::SIGKILL),
            // It has ended meanwhile, which is what we want.
            Err(_) => Ok(()),
        });
        lines += &match ended {
            Ok(()) => format!("ended: container {short}, for which nobody waited any more\n"),
            Err(error) => format!("not ended: container {short}: {error}\n"),
        };
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

/// Whether a process's parent is a command line of ours, by the name that it gave itself; or one
/// that we cannot see, outside of our own PID namespace.
fn somebody_waits_for(pid: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).map(str::trim);
    let Some(parent) = parent else { return false };
    let name = std::fs::read(format!("/proc/{parent}/comm")).unwrap_or_default();
    parent == "0" || name.trim_ascii_end() == run::NAME.to_bytes()
}
