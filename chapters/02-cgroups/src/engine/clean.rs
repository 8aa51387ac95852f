//! `clean`: chapter 01's, and groups that nobody minds any more: what is in them is killed, they
//! are removed, and so are directories of ours that have become empty. Who minds a group holds a
//! lock on it, so that a container which starts meanwhile is never mistaken for one.

use crate::engine::claim::{self, Lock};
use crate::engine::{find, joined, member, subtree};
use crate::group::Group;
use crate::group::Place;
use crate::hierarchy::{self, OURS};
use anyhow::{Context, Result};
use console::failure::Failure;
use console::options::Global;
use kernel::Errno::{EACCES, EBUSY, EPERM, EROFS};
use kernel::cgroup::{self, Hierarchy, Version};
use nix::fcntl::Flock;
use nix::unistd::{AccessFlags, access};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A group's directory in the first hierarchy, which nobody minds; now we do.
struct Left {
    directory: PathBuf,
    _lock: Flock<File>,
}

/// What was done, one line each, and what could not be.
#[derive(Default)]
struct Done {
    lines: String,
    failed: usize,
}

impl Done {
    fn failed(&mut self, directory: &Path, error: &anyhow::Error) {
        self.lines += &format!("left: {}: {error:#}\n", directory.display());
        self.failed += 1;
    }
}

/// Cleans, and says what it did; `later` as in chapter 01.
pub fn clean(global: &Global, later: impl FnOnce() -> Result<String>) -> Result<()> {
    let Done { lines, failed } = remove_groups()?;
    namespaces::engine::clean::clean(global, lines, later)?;
    if failed == 0 {
        return Ok(());
    }
    let failure = Failure::new(format!("{failed} of our control groups could not be removed"));
    Err(failure.remedy("see to what is said above, and run `clean` again").into())
}

fn remove_groups() -> Result<Done> {
    let all = cgroup::hierarchies().context("look for control groups")?;
    let mut done = Done::default();
    let used = hierarchy::used()?;
    remove_unminded(&used, &mut done)?;
    for hierarchy in all.iter().filter(|hierarchy| used.first() != Some(hierarchy)) {
        remove_orphans(hierarchy, &all, &mut done);
    }
    for home in all.iter().flat_map(find::homes) {
        match cgroup::remove(&home) {
            Ok(true) => done.lines += &format!("removed: {}\n", home.display()),
            // Another one has just cleaned.
            Ok(false) => {}
            // Containers use it, or it is somebody else's.
            Err(error) if matches!(error.errno, EBUSY | EACCES | EPERM | EROFS) => {}
            Err(error) => done.failed(&home, &error.into()),
        }
    }
    Ok(done)
}

/// Whether this account may remove a group: others have theirs beside ours.
fn may_remove(group: &Path) -> bool {
    group.parent().is_some_and(|home| access(home, AccessFlags::W_OK).is_ok())
}

/// Groups that nobody minds, with what is in them.
fn remove_unminded(hierarchies: &[Hierarchy], done: &mut Done) -> Result<()> {
    let Some((core, others)) = hierarchies.split_first() else { return Ok(()) };
    let (mut left, mut in_use) = (Vec::new(), BTreeSet::new());
    for directory in find::groups(core) {
        if !may_remove(&directory) {
            in_use.extend(directory.file_name().map(OsStr::to_owned));
            continue;
        }
        match claim::try_lock(&directory) {
            Ok(Lock::Ours(lock)) => left.push(Left { directory, _lock: lock }),
            Ok(Lock::Theirs) => in_use.extend(directory.file_name().map(OsStr::to_owned)),
            Ok(Lock::Gone) => {}
            Err(error) => done.failed(&directory, &error),
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
        remove(&group, directory, done);
    }
    Ok(())
}

/// Directories of ours that belong to no group, as that has lost its first directory, or they were
/// made by hand. What is in them is never killed: only the first can tell whose that is.
fn remove_orphans(hierarchy: &Hierarchy, all: &[Hierarchy], done: &mut Done) {
    // Where a group has its first directory: in version 2 or, where that is not mounted, the freezer.
    let is_core = |h: &&Hierarchy| h.version == Version::V2 || joined::has(h, &["freezer"]);
    for directory in find::groups(hierarchy).into_iter().filter(|group| may_remove(group)) {
        let name = directory.file_name().unwrap_or_default();
        // Looked for after its directory was found: the first is made before all others, and
        // removed after them.
        let mut others = all.iter().filter(is_core).filter(|core| *core != hierarchy);
        if others.any(|core| has_group(&core.point, name)) {
            continue;
        }
        // Held until it is gone: it may be a first one, whose container has just begun.
        let Ok(Lock::Ours(_lock)) = claim::try_lock(&directory) else { continue };
        let removed = subtree::remove_below(&directory)
            .and_then(|()| cgroup::remove(&directory).map_err(anyhow::Error::from));
        let errno = |error: &anyhow::Error| Some(error.downcast_ref::<kernel::Error>()?.errno);
        match removed {
            Ok(true) => {
                done.lines +=
                    &format!("removed: {}, which belonged to no group\n", directory.display());
            }
            Ok(false) => {}
            Err(error) if errno(&error) == Some(EBUSY) => {
                done.lines += &format!("in use: {}: left alone\n", directory.display());
            }
            Err(error) => done.failed(&directory, &error),
        }
    }
}

/// Whether there is a group of this name below a directory, also in a container's own.
fn has_group(directory: &Path, name: &OsStr) -> bool {
    let is_home = directory.ends_with(OURS);
    let below = subtree::groups_below(directory);
    below.iter().any(|group| is_home && group.file_name() == Some(name) || has_group(group, name))
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

fn remove(group: &Group, directory: &Path, done: &mut Done) {
    let count = group.processes().len();
    let removed = if count > 0 { group.kill() } else { Ok(()) }.and_then(|()| group.remove());
    if let Err(error) = removed {
        return done.failed(directory, &error);
    }
    let killed = match count {
        0 => String::new(),
        1 => "; 1 process killed".into(),
        _ => format!("; {count} processes killed"),
    };
    let directory = directory.display();
    done.lines += &format!("removed: {directory}, which nobody minded any more{killed}\n");
}

fn name_of(directory: &Path) -> String {
    directory.file_name().unwrap_or_default().to_string_lossy().into()
}
