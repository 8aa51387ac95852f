//! Removes a tree that somebody else has filled: it may be deeper than there are descriptors or
//! than a path can be long, and something may be mounted in it. Nothing here goes into a
//! directory's directory; that one is moved up first (rename(2)), until the tree is flat. A mount
//! cannot be moved, so that what is mounted stays as it is, and is named.

use anyhow::{Context, Result};
use kernel::Errno;
use nix::dir::Dir;
use nix::fcntl::{AT_FDCWD, OFlag, open, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Removes a directory and all in it, or a file; nothing if there is nothing.
///
/// # Errors
/// If something cannot be removed; it is named. What could be is gone then.
pub fn tree(path: &Path) -> Result<()> {
    let named = || format!("remove {}", path.display());
    let top = match open(path, DIRECTORY, Mode::empty()) {
        Err(Errno::ENOENT) => return Ok(()),
        Err(Errno::ENOTDIR | Errno::ELOOP) => {
            return unlinkat(AT_FDCWD, path, UnlinkatFlags::NoRemoveDir).with_context(named);
        }
        opened => opened.with_context(named)?,
    };
    flatten(&top).with_context(named)?;
    match unlinkat(AT_FDCWD, path, UnlinkatFlags::RemoveDir) {
        Err(Errno::ENOENT) => Ok(()),
        removed => removed.with_context(named),
    }
}

/// Removes all that is in a directory.
fn flatten(top: &OwnedFd) -> Result<()> {
    let mut moved = 0u64;
    loop {
        // Those that have been moved up since the names were read are found the next time.
        let names = names(top)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            if let Some(directory) = remove_or_open(top, &name)? {
                empty_into(&directory, top, &mut moved)
                    .with_context(|| name.to_string_lossy().into_owned())?;
                let removed = unlinkat(top, &*name, UnlinkatFlags::RemoveDir);
                removed.with_context(|| name.to_string_lossy().into_owned())?;
            }
        }
    }
}

/// Takes all out of a directory: files are removed, directories with something in them moved up.
fn empty_into(directory: &OwnedFd, top: &OwnedFd, moved: &mut u64) -> Result<()> {
    for name in names(directory)? {
        let named = || name.to_string_lossy().into_owned();
        if remove_or_open(directory, &name)?.is_none() {
            continue;
        }
        loop {
            let to = format!(".moved-{moved}");
            *moved += 1;
            match renameat(directory, &*name, top, to.as_str()) {
                // Something is called so already.
                Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR) => continue,
                renamed => break renamed.with_context(named)?,
            }
        }
    }
    Ok(())
}

/// Removes a name, or opens it if it is a directory that is not empty.
fn remove_or_open(directory: &OwnedFd, name: &CString) -> Result<Option<OwnedFd>> {
    let named = || name.to_string_lossy().into_owned();
    match unlinkat(directory, &**name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => return Ok(None),
        // unlink(2) of a directory: EISDIR on Linux, EPERM in POSIX and for what is immutable.
        Err(Errno::EISDIR | Errno::EPERM) => {}
        Err(errno) => return Err(errno).with_context(named),
    }
    match unlinkat(directory, &**name, UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(None),
        Err(Errno::ENOTEMPTY | Errno::EEXIST) => {
            Ok(Some(openat(directory, &**name, DIRECTORY, Mode::empty()).with_context(named)?))
        }
        // It was no directory after all: what unlink(2) said counts.
        Err(Errno::ENOTDIR) => Err(Errno::EPERM).with_context(named),
        Err(errno) => Err(errno).with_context(named),
    }
}

fn names(directory: impl AsFd) -> Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::from_fd(openat(directory, c".", DIRECTORY, Mode::empty())?)?.iter() {
        let name = CString::from(entry?.file_name());
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::mkdirat;
    use std::fs;

    #[test]
    fn a_tree_that_is_deeper_than_descriptors_and_paths_reach_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("deep");
        fs::create_dir(&top).unwrap();
        let mut here = open(&top, DIRECTORY, Mode::empty()).unwrap();
        let name = "d".repeat(200);
        for _ in 0..3000 {
            mkdirat(&here, name.as_str(), Mode::S_IRWXU).unwrap();
            mkdirat(&here, c".moved-7", Mode::S_IRWXU).unwrap();
            here = openat(&here, name.as_str(), DIRECTORY, Mode::empty()).unwrap();
        }
        fs::write(top.join(".moved-1"), "").unwrap();
        tree(&top).unwrap();
        assert!(!top.exists());
        tree(&top).unwrap();
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (outside, inside) = (dir.path().join("outside"), dir.path().join("inside"));
        fs::create_dir_all(inside.join("d")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("d/link")).unwrap();
        std::os::unix::fs::symlink(&outside, dir.path().join("link")).unwrap();
        tree(&inside).unwrap();
        tree(&dir.path().join("link")).unwrap();
        assert!(outside.join("kept").exists() && !inside.exists());
        assert!(dir.path().join("link").symlink_metadata().is_err());
    }
}
