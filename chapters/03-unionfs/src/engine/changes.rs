//! What a container has changed: its root compared with what lies below its own layer.

use crate::container::{Driver, Record};
use crate::engine::metadata::Metadata;
use crate::engine::stack::{Directory, File, Found, kind};
use crate::whiteout::Spelling;
use anyhow::Result;
use nix::sys::stat::{FileStat, SFlag};
use serde::Serialize;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// How a path differs from what lies below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// It is new.
    #[serde(rename = "A")]
    Added,
    /// It is another one, or the same with another owner, mode, time or content.
    #[serde(rename = "C")]
    Changed,
    /// It is gone.
    #[serde(rename = "D")]
    Deleted,
}

/// One path that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// How.
    pub kind: Kind,
    /// Where in the root, without the slash in front.
    pub path: PathBuf,
}

/// A container's root, and what lies below its own layer.
pub struct Roots {
    /// All of it.
    pub whole: Directory,
    /// Without what it has written.
    pub below: Directory,
    driver: Driver,
}

impl Roots {
    /// Of this container, whose layers are in these directories.
    pub fn of(record: &Record, own: &Path, lower: &[PathBuf], spelling: Spelling) -> Result<Roots> {
        let whole: Vec<PathBuf> = match record.driver {
            // One that never came as far as its own layer has changed nothing.
            Driver::Overlay if !own.join("upper").exists() => lower.to_vec(),
            Driver::Overlay => std::iter::once(own.join("upper")).chain(lower.to_vec()).collect(),
            Driver::Copy if !own.join("fs").exists() => lower.to_vec(),
            Driver::Copy => vec![own.join("fs")],
        };
        Ok(Roots {
            whole: Directory::root(&whole, spelling)?,
            below: Directory::root(lower, spelling)?,
            driver: record.driver,
        })
    }

    /// All that differs, parents first, in the order of their names.
    pub fn changes(&self) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        self.compare(&self.whole, Some(&self.below), Path::new(""), &mut changes)?;
        Ok(changes)
    }

    fn compare(
        &self,
        whole: &Directory,
        below: Option<&Directory>,
        path: &Path,
        changes: &mut Vec<Change>,
    ) -> Result<()> {
        let mut names = whole.names()?;
        if let Some(below) = below {
            for (name, layer) in below.names()? {
                // Below, layers are numbered without the container's own.
                names.entry(name).or_insert(layer + 1);
            }
        }
        for name in names.into_keys() {
            let path = path.join(&name);
            let old = below.map(|below| below.find(&name)).transpose()?.flatten();
            let new = whole.find(&name)?;
            let at = changes.len();
            if let Some(Found::Directory(new)) = &new {
                let old = match &old {
                    Some(Found::Directory(old)) => Some(old),
                    _ => None,
                };
                // In a directory that is not in its own layer it cannot have changed anything.
                if self.driver == Driver::Copy || new.layer() == 0 {
                    self.compare(new, old, &path, changes)?;
                }
            }
            let changed_within = changes.len() > at;
            // LAB 03.5 diff: what has become of it, if anything
            let kind = match (&new, &old) {
                (Some(_), None) => Kind::Added,
                (None, Some(_)) => Kind::Deleted,
                // A directory comes into the own layer with what is changed in it. Where there is no such
                // layer, this is how it is one of a list as it would be there.
                (Some(new), Some(old)) if changed_within || self.differs(new, old)? => {
                    Kind::Changed
                }
                _ => continue,
            };
            changes.insert(at, Change { kind, path });
        }
        Ok(())
    }

    fn differs(&self, new: &Found, old: &Found) -> Result<bool> {
        // What is in its own layer was written by it: that is what the layer is for.
        if self.driver == Driver::Overlay {
            return Ok(layer(new) == 0);
        }
        let (new_stat, old_stat) = (stat(new)?, stat(old)?);
        // LAB 03.5 copied: true if the two show that it was written
        if seen(&new_stat) != seen(&old_stat) || is_linked(&new_stat, &old_stat) {
            return Ok(true);
        }
        if let (Found::File(new), Found::File(old)) = (new, old)
            && is_link(new)
            && new.target()? != old.target()?
        {
            return Ok(true);
        }
        // A program's capabilities are among them.
        let xattrs = |found, stat| Metadata::of_file(file(found), stat).map(|of| of.xattrs);
        Ok(xattrs(new, &new_stat)? != xattrs(old, &old_stat)?)
    }
}

fn layer(found: &Found) -> usize {
    match found {
        Found::Directory(directory) => directory.layer(),
        Found::File(file) => file.layer,
    }
}

fn file(found: &Found) -> &OwnedFd {
    match found {
        Found::Directory(directory) => directory.uppermost(),
        Found::File(file) => &file.file,
    }
}

fn is_link(file: &File) -> bool {
    kind(&file.stat) == SFlag::S_IFLNK
}

fn stat(found: &Found) -> Result<FileStat> {
    match found {
        Found::Directory(directory) => directory.stat(),
        Found::File(file) => Ok(file.stat),
    }
}

/// Whether a file has been given another name: then overlay has it in the own layer.
fn is_linked(new: &FileStat, old: &FileStat) -> bool {
    kind(new) != SFlag::S_IFDIR && old.st_nlink == 1 && new.st_nlink > 1
}

/// What shows that a file was written: a copy has all of these from its original.
fn seen(stat: &FileStat) -> [i64; 7] {
    let directory = kind(stat) == SFlag::S_IFDIR;
    [
        stat.st_mode.into(),
        stat.st_uid.into(),
        stat.st_gid.into(),
        stat.st_rdev as i64,
        // A directory's size is its file system's affair.
        if directory { 0 } else { stat.st_size },
        stat.st_mtime,
        stat.st_mtime_nsec,
    ]
}
