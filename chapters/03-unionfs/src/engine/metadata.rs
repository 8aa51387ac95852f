//! What a file has besides its content: owner, mode, time of its last change, extended attributes.

use crate::engine::stack::kind;
use crate::whiteout;
use anyhow::{Context, Result};
use console::failure::Failure;
use kernel::{Errno, xattr};
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat, getegid, geteuid};
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::AsFd;

/// All of it.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// Who owns it.
    pub uid: u32,
    /// And which group.
    pub gid: u32,
    /// Permissions, and the set-user-ID, set-group-ID and sticky bits.
    pub mode: u32,
    /// When its content last changed.
    pub mtime: TimeSpec,
    /// Extended attributes, but for overlay's own.
    pub xattrs: Vec<(CString, Vec<u8>)>,
}

impl Metadata {
    /// A directory's that no archive describes.
    pub fn of_nobody() -> Metadata {
        // Ourselves: root, here or in the lab box.
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        Metadata { uid, gid, mode: 0o755, mtime: TimeSpec::new(0, 0), xattrs: Vec::new() }
    }

    /// As mkdir(2) makes it: a directory of a group hands it down.
    pub fn within(self, parent: &FileStat) -> Metadata {
        if parent.st_mode & Mode::S_ISGID.bits() == 0 {
            return self;
        }
        Metadata { gid: parent.st_gid, mode: self.mode | Mode::S_ISGID.bits(), ..self }
    }

    /// A file's that is there.
    pub fn of_file(file: impl AsFd, stat: &FileStat) -> Result<Metadata> {
        let mut xattrs = Vec::new();
        for name in xattr::list(&file)? {
            if !whiteout::is_overlays(&name)
                && let Some(value) = xattr::get(&file, &name)?
            {
                xattrs.push((name, value));
            }
        }
        Ok(Metadata {
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: stat.st_mode & 0o7777,
            mtime: TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec),
            xattrs,
        })
    }

    /// Gives it to a name in a directory that nobody else writes to. A directory's time is set later:
    /// what is made in it changes it.
    pub fn apply(&self, directory: impl AsFd, name: &OsStr, kind: SFlag) -> Result<()> {
        let owner = (Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)));
        // First of all: a change of owner clears set-user-ID bits and capabilities.
        fchownat(&directory, name, owner.0, owner.1, AtFlags::AT_SYMLINK_NOFOLLOW)
            .map_err(|errno| self.unmapped(errno))?;
        if kind != SFlag::S_IFLNK {
            let mode = Mode::from_bits_truncate(self.mode);
            fchmodat(&directory, name, mode, FchmodatFlags::FollowSymlink).context("its mode")?;
        }
        let how = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&directory, name, how, Mode::empty())?;
        // What a directory hands down to all that is made in it (acl(5)), or had before.
        for other in xattr::list(&file)? {
            if !is_kept(&other) && self.xattrs.iter().all(|(name, _)| *name != other) {
                xattr::remove(&file, &other).map_err(|errno| refused(&other, errno))?;
            }
        }
        for (name, value) in &self.xattrs {
            xattr::set(&file, name, value).map_err(|errno| refused(name, errno))?;
        }
        if kind != SFlag::S_IFDIR {
            set_time(directory, name, self.mtime)?;
        }
        Ok(())
    }

    pub(crate) fn unmapped(&self, errno: Errno) -> anyhow::Error {
        let error = anyhow::Error::from(errno).context(format!("owner {}:{}", self.uid, self.gid));
        if !matches!(errno, Errno::EPERM | Errno::EINVAL) {
            return error;
        }
        let failure = Failure::new("its owner is nobody whom this account may be");
        error.context(failure.remedy(
            "install newuidmap (package uidmap) and give the account a range in /etc/subuid and \
             /etc/subgid, or use sudo",
        ))
    }
}

/// Attributes that are not the archive's to say: overlay's marks, and labels that the host gives.
fn is_kept(name: &CStr) -> bool {
    let label = name.to_bytes().starts_with(b"security.") && name != c"security.capability";
    label || whiteout::is_overlays(name)
}

/// Sets the time of a file's last change.
pub fn set_time(directory: impl AsFd, name: &OsStr, mtime: TimeSpec) -> Result<()> {
    let how = UtimensatFlags::NoFollowSymlink;
    utimensat(directory, name, &TimeSpec::UTIME_OMIT, &mtime, how).context("its time")
}

/// Why an attribute could not be set, and what to do about it.
pub(crate) fn refused(name: &CStr, errno: Errno) -> anyhow::Error {
    let error = anyhow::Error::from(errno).context(format!("the attribute {name:?}"));
    let failure = match errno {
        Errno::ENOTSUP => Failure::new("the file system of our files does not keep it")
            .remedy("name another place with --root: ext4, xfs, btrfs or a new tmpfs"),
        Errno::EPERM => Failure::new("only root may set it").remedy("use sudo"),
        _ => return error,
    };
    error.context(failure)
}

/// Whether it is a directory.
pub fn is_directory(stat: &FileStat) -> bool {
    kind(stat) == SFlag::S_IFDIR
}
