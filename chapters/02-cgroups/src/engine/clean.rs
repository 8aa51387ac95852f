//! `clean`: chapter 01's, and groups that nobody minds any more: what is in them is killed, they
//! are removed, and so are directories of ours that have become empty. Who minds a group holds a
//! lock on it, so that a container which starts meanwhile is never mistaken for one.

use crate::engine::claim::{self, Lock};
use crate::engine::{find, member};
use crate::group::Group;
use crate::group::Place;
use crate::hierarchy;
use anyhow::Result;
use console::options::Global;
use kernel::Errno::{EACCES, EBUSY, EPERM, EROFS};
use kernel::cgroup::{self, Hierarchy};
use nix::fcntl::Flock;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A group's directory in the first hierarchy, which nobody minds; now we do.
struct Left {
    directory: PathBuf,
    _lock: Flock<File>,
}

/// Cleans, and says what it did.
pub fn clean(global: &Global) -> Result<()> {
    namespaces::engine::clean::clean(global, remove_groups()?)
}

fn remove_groups() -> Result<String> {
    let hierarchies = hierarchy::used()?;
    let Some((core, others)) = hierarchies.split_first() else { return Ok(String::new()) };
    let (mut left, mut lines, mut in_use) = (Vec::new(), String::new(), BTreeSet::new());
    for directory in find::groups(core) {
        match claim::try_lock(&directory) {
            Ok(Lock::Ours(lock)) => left.push(Left { directory, _lock: lock }),
            Ok(Lock::Theirs) => in_use.extend(directory.file_name().map(OsStr::to_owned)),
            Ok(Lock::Gone) => {}
            Err(error) => lines += &format!("left: {}: {error:#}\n", directory.display()),
        }
    }
    for Left { directory, .. } in &left {
        let name = directory.file_name().unwrap_or_default();
        // The same name may be in use elsewhere in the tree: then only a process can tell whose a
        // directory in another hierarchy is.
        let group = if in_use.contains(name) {
            of_processes(core, directory)
        } else {
            everywhere(core, others, directory)
        };
        lines += &remove(&group, directory);
    }
    drop(left);
    for hierarchy in &hierarchies {
        for home in find::homes(hierarchy) {
            match cgroup::remove(&home) {
                Ok(true) => lines += &format!("removed: {}\n", home.display()),
                // Another one has just cleaned.
                Ok(false) => {}
                // Containers use it, or it is somebody else's.
                Err(error) if matches!(error.errno, EBUSY | EACCES | EPERM | EROFS) => {}
                Err(error) => lines += &format!("left: {}: {error}\n", home.display()),
            }
        }
    }
    Ok(lines)
}

/// A group with the directories of this name in all hierarchies. One in the first there is for
/// every other, as it is made first and removed last.
fn everywhere(core: &Hierarchy, others: &[Hierarchy], directory: &Path) -> Group {
    let mut places = vec![Place::new(core, directory.into())];
    for hierarchy in others {
        let all = find::groups(hierarchy).into_iter();
        let named = all.filter(|other| other.file_name() == directory.file_name());
        places.extend(named.map(|other| Place::new(hierarchy, other)));
    }
    Group::found(name_of(directory), places)
}

/// A group with the directories that the processes in it are in.
fn of_processes(core: &Hierarchy, directory: &Path) -> Group {
    let alone = Group::found(name_of(directory), vec![Place::new(core, directory.into())]);
    let first = alone.processes().first().copied();
    first.and_then(|pid| member::group_of(pid).ok().flatten()).unwrap_or(alone)
}

fn remove(group: &Group, directory: &Path) -> String {
    let count = group.processes().len();
    let removed = if count > 0 { group.kill() } else { Ok(()) }.and_then(|()| group.remove());
    let directory = directory.display();
    match (removed, count) {
        (Err(error), _) => format!("left: {directory}: {error:#}\n"),
        (Ok(()), 0) => format!("removed: {directory}, which nobody minded any more\n"),
        (Ok(()), 1) => {
            format!("removed: {directory}, which nobody minded any more; 1 process killed\n")
        }
        (Ok(()), _) => {
            format!(
                "removed: {directory}, which nobody minded any more; {count} processes killed\n"
            )
        }
    }
}

fn name_of(directory: &Path) -> String {
    directory.file_name().unwrap_or_default().to_string_lossy().into()
}
