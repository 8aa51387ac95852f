//! Directories in which something is made before it is renamed into place, so that nobody sees it
//! half-made. Whoever makes one holds a lock on it (flock(2)), which ends with its process: one
//! without is what a kill -9 has left, and anybody's to remove.

use crate::engine::remove;
use anyhow::{Context, Error, Result};
use console::failure::Failure;
use namespaces::engine::refuse::ELSEWHERE;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Nobody else looks into it: a layer may have programs in it that run as root for whoever calls
/// them, and only a mount says what the layers above make of a file.
const MODE: u32 = 0o700;

/// A directory that is removed again, unless it is renamed into place.
pub struct Scratch {
    path: PathBuf,
    #[allow(dead_code, reason = "held, not read")]
    lock: Flock<File>,
}

impl Scratch {
    /// Makes one in `parent`, with a name of its own that begins as given.
    pub fn make(parent: &Path, beginning: &str) -> Result<Scratch> {
        loop {
            make_directory(parent)?;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let name = format!("{beginning}{}-{}", std::process::id(), now.as_nanos());
            let path = parent.join(name);
            match DirBuilder::new().mode(MODE).create(&path) {
                // Somebody was as fast, or `clean` has just removed the empty parent.
                Err(error)
                    if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) =>
                {
                    continue;
                }
                made => made.map_err(|error| not_made(error, &path))?,
            }
            // Whoever sweeps may have found it before it was locked.
            if let Some(lock) = lock(&path, FlockArg::LockExclusive)? {
                return Ok(Scratch { path, lock });
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its lasting name.
    pub fn publish(self, name: &Path) -> Result<()> {
        fs::rename(&self.path, name)
            .with_context(|| format!("rename {} to {}", self.path.display(), name.display()))
        // What is dropped now is no longer there under the old name.
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What remains has no lock any more, and the next who sweeps removes it.
        let _removed = remove::tree(&self.path);
    }
}

/// Removes the directories in `parent` whose names begin so and that nobody holds.
pub fn remove_dead(parent: &Path, beginning: &str) -> Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for path in entries(parent)? {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if !name.starts_with(beginning.as_bytes()) {
            continue;
        }
        if lock(&path, FlockArg::LockExclusiveNonblock)?.is_some() {
            remove::tree(&path)?;
            removed.push(path);
        }
    }
    Ok(removed)
}

/// The paths in a directory, in order; none if there is no directory.
pub fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let named = || format!("read {}", directory.display());
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(named)?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<PathBuf>, _>>().with_context(named)?;
    // They differ in their last names alone: to compare them part by part takes much longer.
    paths.sort_unstable_by(|one, other| one.as_os_str().cmp(other.as_os_str()));
    Ok(paths)
}

/// Makes a directory of the store, and those that lead to it.
pub fn make_directory(path: &Path) -> Result<()> {
    let refused = |error| not_made(error, path);
    let mut tries = 0;
    loop {
        match (DirBuilder::new().mode(MODE).create(path), path.parent()) {
            // `clean` may remove the empty parent at any moment; but not each time.
            (Err(error), Some(parent)) if error.kind() == ErrorKind::NotFound && tries < 5 => {
                fs::create_dir_all(parent).map_err(refused)?;
                tries += 1;
            }
            (Err(error), _) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {
                return Ok(());
            }
            (made, _) => return made.map_err(refused),
        }
    }
}

/// Why a directory could not be made, and what to do where that is the place's fault.
fn not_made(error: io::Error, path: &Path) -> anyhow::Error {
    let words = format!("create {}", path.display());
    match error.kind() {
        ErrorKind::NotADirectory | ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Error::from(error).context(Failure::new(words).remedy(ELSEWHERE))
        }
        _ => Error::from(error).context(words),
    }
}

/// Locks a directory; none if it is gone, or (without waiting) if somebody else has the lock.
pub fn lock(path: &Path, how: FlockArg) -> Result<Option<Flock<File>>> {
    let flags = (OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits();
    let mut file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.with_context(|| format!("open {}", path.display()))?,
    };
    let lock = loop {
        match Flock::lock(file, how) {
            Ok(lock) => break lock,
            Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
            Err((same, Errno::EINTR)) => file = same,
            Err((_, errno)) => {
                return Err(errno).with_context(|| format!("flock {}", path.display()));
            }
        }
    };
    // While we waited, the name may have been given to another, or taken away.
    let (held, named) = (lock.metadata()?, fs::symlink_metadata(path));
    let same = named.is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino()));
    Ok(same.then_some(lock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_stays_and_what_nobody_holds_goes() {
        let dir = tempfile::tempdir().unwrap();
        let held = Scratch::make(dir.path(), ".partial-").unwrap();
        fs::create_dir_all(dir.path().join(".partial-dead/fs")).unwrap();
        fs::create_dir(dir.path().join("kept")).unwrap();
        let removed = remove_dead(dir.path(), ".partial-").unwrap();
        assert_eq!(removed, [dir.path().join(".partial-dead")]);
        assert!(held.path().exists());
        held.publish(&dir.path().join("made")).unwrap();
        let left = entries(dir.path()).unwrap();
        assert_eq!(left, ["kept", "made"].map(|name| dir.path().join(name)));
    }

    #[test]
    fn what_is_not_published_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        drop(Scratch::make(dir.path(), ".x-").unwrap());
        assert!(entries(dir.path()).unwrap().is_empty());
        assert!(entries(&dir.path().join("none")).unwrap().is_empty());
    }
}
