//! Whose a group is: its directory is locked (flock(2)) as long as somebody minds it. A lock ends
//! with its holder, so that what a killed command line has left behind can be told from what runs.

use crate::engine::{find, refuse};
use crate::group::Group;
use crate::limits::Limits;
use anyhow::{Context, Result};
use kernel::cgroup::Hierarchy;
use kernel::{Errno, cgroup};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// `clean` holds a lock for as long as it takes to remove a group. After this it is a container's.
const PATIENCE: Duration = Duration::from_millis(100);

/// Locks a group's directory; none if it has been removed meanwhile.
///
/// # Errors
/// If somebody minds it: then the name is taken.
pub(crate) fn claim(directory: &Path, name: &str) -> Result<Option<Flock<File>>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match try_lock(directory)? {
            Lock::Ours(lock) => return Ok(Some(lock)),
            Lock::Gone => return Ok(None),
            Lock::Theirs if Instant::now() > deadline => return Err(refuse::taken(name)),
            Lock::Theirs => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Refuses a name that a container has whose group lies elsewhere in the tree, as it was started in
/// another group than we were. (Of two at the same moment, both may see none: `stop` and the others
/// then ask for an id.)
pub(crate) fn refuse_elsewhere(name: &str, hierarchies: &[Hierarchy]) -> Result<()> {
    let core = hierarchies.first().ok_or_else(|| refuse::nowhere(name))?;
    for group in find::groups(core).into_iter().filter(|group| group.ends_with(name)) {
        drop(claim(&group, name)?);
    }
    Ok(())
}

/// Makes a group with this name; with the other one, if there is one and a container that somebody else
/// keeps a record of has the first.
pub(crate) fn make(
    name: &str,
    other: Option<&str>,
    hierarchies: &[Hierarchy],
    limits: &Limits,
) -> Result<Group> {
    match (Group::make(name, hierarchies, limits), other) {
        (Err(error), Some(other)) if refuse::is_taken(&error) => {
            Group::make(other, hierarchies, limits)
        }
        (made, _) => made,
    }
}

/// What came of an attempt to lock a group.
pub(crate) enum Lock {
    /// Nobody minded it.
    Ours(Flock<File>),
    /// Somebody minds it.
    Theirs,
    /// There is no such group any more.
    Gone,
}

/// Tries to lock a group's directory.
pub(crate) fn try_lock(directory: &Path) -> Result<Lock> {
    let opened = match cgroup::open(directory) {
        Err(error) if error.errno == Errno::ENOENT => return Ok(Lock::Gone),
        // Another account's.
        Err(error) if error.errno == Errno::EACCES => return Ok(Lock::Theirs),
        opened => File::from(opened?),
    };
    let lock = match Flock::lock(opened, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => lock,
        Err((_, Errno::EWOULDBLOCK)) => return Ok(Lock::Theirs),
        Err((_, errno)) => return Err(errno).context("flock"),
    };
    // Between opening and locking it, its holder may have removed it, and another one made it anew.
    let found = fs::metadata(directory).map(|found| found.ino()).ok();
    Ok(if found == Some(lock.metadata()?.ino()) { Lock::Ours(lock) } else { Lock::Gone })
}
