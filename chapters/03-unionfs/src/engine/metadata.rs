//! What a file has besides its content: owner, mode, time of its last change, extended attributes.

use crate::engine::extensions::Extensions;
use crate::engine::stack::kind;
use crate::whiteout;
use anyhow::{Context, Result, ensure};
use console::failure::Failure;
use kernel::{Errno, xattr};
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat};
use std::ffi::{CString, OsStr};
use std::io::Read;
use std::os::fd::AsFd;

/// What the names of attributes begin with in the extended headers of an archive.
const IN_ARCHIVES: &[u8] = b"SCHILY.xattr.";

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
        let mtime = TimeSpec::new(0, 0);
        Metadata { uid: 0, gid: 0, mode: 0o755, mtime, xattrs: Vec::new() }
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

    /// An archive entry's.
    pub fn of_entry(entry: &tar::Entry<impl Read>, extensions: &Extensions) -> Result<Metadata> {
        let header = entry.header();
        // A field that was left empty is 0, as for tar(1).
        let empty = |field: &[u8]| field.iter().all(|byte| matches!(byte, 0 | b' '));
        let id = |key: &str, field: &[u8], number: std::io::Result<u64>| -> Result<u32> {
            let id = match extensions.number(key)? {
                Some(id) => id,
                None if empty(field) => 0,
                None => number?,
            };
            u32::try_from(id).with_context(|| format!("{id} is no id"))
        };
        let old = header.as_old();
        let uid = id("uid", &old.uid, header.uid())?;
        let gid = id("gid", &old.gid, header.gid())?;
        let mode = header.mode()? & 0o7777;
        let mtime = match extensions.get("mtime") {
            Some(text) => time(&String::from_utf8_lossy(text))?,
            None => TimeSpec::new(i64::try_from(header.mtime()?).context("a time")?, 0),
        };
        // The library looks for it in its own way. If it has overlooked it, the rest is no archive.
        if let Some(size) = extensions.number("size")? {
            ensure!(size == entry.size(), "two sizes, {size} and {}", entry.size());
        }
        let mut xattrs = Vec::new();
        for (key, value) in extensions.iter() {
            if let Some(name) = key.strip_prefix(IN_ARCHIVES) {
                let name = CString::new(name).context("an attribute's name")?;
                if !whiteout::is_overlays(&name) {
                    xattrs.push((name, value.to_vec()));
                }
            } else if key.starts_with(b"GNU.sparse.") {
                let failure = Failure::new("a sparse file in a form that is not known here");
                return Err(failure.remedy("make the archive with tar --format=gnu").into());
            }
        }
        Ok(Metadata { uid, gid, mode, mtime, xattrs })
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
        if !self.xattrs.is_empty() {
            let how = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let file = openat(&directory, name, how, Mode::empty())?;
            for (name, value) in &self.xattrs {
                xattr::set(&file, name, value).map_err(|errno| refused(name, errno))?;
            }
        }
        if kind != SFlag::S_IFDIR {
            set_time(directory, name, self.mtime)?;
        }
        Ok(())
    }

    fn unmapped(&self, errno: Errno) -> anyhow::Error {
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

/// Sets the time of a file's last change.
pub fn set_time(directory: impl AsFd, name: &OsStr, mtime: TimeSpec) -> Result<()> {
    let how = UtimensatFlags::NoFollowSymlink;
    utimensat(directory, name, &TimeSpec::UTIME_OMIT, &mtime, how).context("its time")
}

fn refused(name: &CString, errno: Errno) -> anyhow::Error {
    let error = anyhow::Error::from(errno).context(format!("the attribute {name:?}"));
    let failure = match errno {
        Errno::ENOTSUP => Failure::new("the file system of our files does not keep it")
            .remedy("name another place with --root: ext4, xfs, btrfs or a new tmpfs"),
        Errno::EPERM => Failure::new("only root may set it").remedy("use sudo"),
        _ => return error,
    };
    error.context(failure)
}

/// `1700000000.25`
fn time(text: &str) -> Result<TimeSpec> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{fraction:0<9}");
    let nanoseconds = digits.get(..9).and_then(|digits| digits.parse::<i64>().ok());
    let (seconds, nanoseconds) =
        (seconds.parse::<i64>().ok()).zip(nanoseconds).with_context(|| format!("time {text:?}"))?;
    // Before 1970 the fraction leads further back.
    Ok(match text.starts_with('-') && nanoseconds > 0 {
        true => TimeSpec::new(seconds - 1, 1_000_000_000 - nanoseconds),
        false => TimeSpec::new(seconds, nanoseconds),
    })
}

/// The kind of file that an archive's entry is.
pub fn kind_of(entry: &tar::Entry<impl Read>) -> Result<SFlag> {
    use tar::EntryType;
    Ok(match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => SFlag::S_IFREG,
        EntryType::Directory => SFlag::S_IFDIR,
        EntryType::Symlink => SFlag::S_IFLNK,
        EntryType::Char => SFlag::S_IFCHR,
        EntryType::Block => SFlag::S_IFBLK,
        EntryType::Fifo => SFlag::S_IFIFO,
        other => {
            let words = format!("an entry of the kind {:?}", char::from(other.as_byte()));
            return Err(Failure::new(words).remedy("make the archive anew, with tar").into());
        }
    })
}

/// Whether it is a directory.
pub fn is_directory(stat: &FileStat) -> bool {
    kind(stat) == SFlag::S_IFDIR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_fractions_and_may_lie_before_1970() {
        assert_eq!(time("1700000000.25").unwrap(), TimeSpec::new(1_700_000_000, 250_000_000));
        assert_eq!(time("5").unwrap(), TimeSpec::new(5, 0));
        assert_eq!(time("-1.5").unwrap(), TimeSpec::new(-2, 500_000_000));
        assert!(time("x").is_err());
    }
}
