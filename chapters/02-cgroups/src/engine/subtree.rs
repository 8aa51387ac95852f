//! Groups below a container's own. A container that gets at its hierarchies in spite of the read-only
//! mounts can make some; what is in them is the container's, too.

use anyhow::Result;
use kernel::{Errno, Pid, cgroup};
use std::fs;
use std::path::{Path, PathBuf};

/// The processes of a group and of those below it.
pub(crate) fn processes_below(directory: &Path) -> Vec<Pid> {
    let procs = kernel::text::read(directory.join("cgroup.procs")).unwrap_or_default();
    let own = procs.lines().filter_map(|line| line.parse().ok()).map(Pid::from_raw);
    own.chain(groups_below(directory).iter().flat_map(|below| processes_below(below))).collect()
}

/// Groups that a container has made in its own.
pub(crate) fn groups_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Removes the groups below one, as far as they are empty.
pub(crate) fn remove_below(directory: &Path) -> Result<()> {
    for below in groups_below(directory) {
        remove_below(&below)?;
        match cgroup::remove(&below) {
            Err(error) if error.errno == Errno::EBUSY => {}
            removed => drop(removed?),
        }
    }
    Ok(())
}
