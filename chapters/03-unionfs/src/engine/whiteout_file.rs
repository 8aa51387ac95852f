//! A whiteout that is no device: an empty file with the attribute overlay.whiteout, in a directory that says
//! by overlay.opaque = x that there are such in it (overlayfs in the kernel's documentation, Linux 6.7). In an
//! overlay nobody makes the device, as it would be a whiteout of that one, and attributes of users are kept.

use crate::whiteout::Spelling;
use anyhow::{Context, Error, Result};
use console::failure::Failure;
use kernel::{Errno, xattr};
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, fstatfs};
use std::ffi::OsStr;
use std::os::fd::AsFd;

/// Makes it.
///
/// # Errors
/// EPERM where no overlay is: an older kernel could mount that, and would show the mark as a file.
pub(crate) fn make(directory: impl AsFd, name: &OsStr, spelling: Spelling) -> Result<()> {
    if fstatfs(&directory)?.filesystem_type() != OVERLAYFS_SUPER_MAGIC {
        return Err(Errno::EPERM).context("mknod");
    }
    let how =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = openat(&directory, name, how, Mode::empty())?;
    xattr::set(file, spelling.whiteout(), b"y").map_err(refused)?;
    if xattr::get(&directory, spelling.opaque())?.is_none() {
        xattr::set(directory, spelling.opaque(), b"x").map_err(refused)?;
    }
    Ok(())
}

fn refused(errno: Errno) -> Error {
    let error = Error::from(errno).context("setxattr");
    if errno != Errno::ENOTSUP {
        return error;
    }
    let failure = Failure::new("the overlay that our files are on keeps no mark of what is gone");
    error.context(failure.remedy("name another place with --root: ext4, xfs, btrfs or a new tmpfs"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn it_is_made_in_an_overlay_alone() {
        let dir = tempfile::tempdir().unwrap();
        let directory = File::open(dir.path()).unwrap();
        let is_overlay = fstatfs(&directory).unwrap().filesystem_type() == OVERLAYFS_SUPER_MAGIC;
        let made = make(&directory, OsStr::new("gone"), Spelling::User);
        assert_eq!((made.is_ok(), dir.path().join("gone").exists()), (is_overlay, is_overlay));
    }
}
