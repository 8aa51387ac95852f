//! Removes a tree that somebody else has filled: it may be deeper than there are descriptors or
//! than a path can be long, and something may be mounted in it. What lies deeper than a few levels
//! is moved up first (rename(2)). A mount cannot be moved or removed, so that what is mounted stays
//! as it is, and is named.

use anyhow::{Context, Result};
use kernel::Errno;
use nix::dir::{Dir, Type};
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::{CStr, CString};
use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::Path;

const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// So many directories are open at once.
const DEEPEST: usize = 16;

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
        opened => Dir::from_fd(opened.with_context(named)?).with_context(named)?,
    };
    let mut moved = 0;
    let mut top = Some(top);
    // Once more as long as something has been moved up since the names were read.
    while let Some(mut here) = top.take() {
        let before = moved;
        let names = names(&mut here).with_context(named)?;
        empty(&here, names, &here, &mut moved, 0).with_context(named)?;
        if moved > before {
            let again = openat(&here, c".", DIRECTORY, Mode::empty()).and_then(Dir::from_fd);
            top = Some(again.with_context(named)?);
        }
    }
    match unlinkat(AT_FDCWD, path, UnlinkatFlags::RemoveDir) {
        Err(Errno::ENOENT) => Ok(()),
        removed => removed.with_context(named),
    }
}

/// Removes a directory so that a kill -9 leaves all of it in its place or nothing: it is renamed first,
/// within its file system.
///
/// # Errors
/// If something in it cannot be removed; it is named, where it is now.
pub fn at_once(path: &Path, aside: &Path) -> Result<()> {
    tree(aside)?;
    match fs::rename(path, aside) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // It is of a lower layer of the overlay that all of the store lies on.
        Err(error) if error.kind() == ErrorKind::CrossesDevices => tree(path),
        renamed => {
            renamed.with_context(|| format!("rename {}", path.display()))?;
            tree(aside)
        }
    }
}

/// Takes these names out of a directory.
fn empty(
    here: &Dir,
    names: Vec<(CString, bool)>,
    top: &Dir,
    moved: &mut u64,
    depth: usize,
) -> Result<()> {
    for (name, is_directory) in names {
        let removed = if !is_directory {
            gone(unlinkat(here, &*name, UnlinkatFlags::NoRemoveDir)).map_err(Into::into)
        } else if depth == DEEPEST {
            move_up(here, &name, top, moved)
        } else {
            remove_directory(here, &name, top, moved, depth)
        };
        removed.with_context(|| name.to_string_lossy().into_owned())?;
    }
    Ok(())
}

fn remove_directory(
    parent: &Dir,
    name: &CStr,
    top: &Dir,
    moved: &mut u64,
    depth: usize,
) -> Result<()> {
    let mut here = match openat(parent, name, DIRECTORY, Mode::empty()) {
        Err(Errno::ENOENT) => return Ok(()),
        opened => Dir::from_fd(opened?)?,
    };
    let names = names(&mut here)?;
    empty(&here, names, top, moved, depth + 1)?;
    Ok(gone(unlinkat(parent, name, UnlinkatFlags::RemoveDir))?)
}

fn move_up(here: &Dir, name: &CStr, top: &Dir, moved: &mut u64) -> Result<()> {
    loop {
        let to = format!(".moved-{moved}");
        *moved += 1;
        match renameat(here, name, top, to.as_str()) {
            // Something is called so already.
            Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR) => {}
            renamed => return Ok(gone(renamed)?),
        }
    }
}

fn gone(removed: nix::Result<()>) -> nix::Result<()> {
    match removed {
        Err(Errno::ENOENT) => Ok(()),
        removed => removed,
    }
}

/// What is in a directory, and whether it is one itself.
fn names(directory: &mut Dir) -> Result<Vec<(CString, bool)>> {
    let mut names = Vec::new();
    for entry in directory.iter() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    let is_directory = |(name, kind): (CString, Option<Type>)| {
        let kind = kind.map_or_else(
            || is_directory(directory.as_fd(), &name),
            |kind| Ok(kind == Type::Directory),
        );
        kind.map(|is| (name, is))
    };
    names.into_iter().map(is_directory).collect()
}

/// Not every file system tells in its lists.
fn is_directory(parent: impl AsFd, name: &CStr) -> Result<bool> {
    match fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => Ok(false),
        stat => {
            let kind = SFlag::from_bits_truncate(stat?.st_mode) & SFlag::S_IFMT;
            Ok(kind == SFlag::S_IFDIR)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::mkdirat;

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
