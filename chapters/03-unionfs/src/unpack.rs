//! An archive becomes a layer (tar(5); image-spec, "Layer Filesystem Changeset"). Whoever made the
//! archive may want to write somewhere else: by `..`, by a link that an earlier entry has made, by a
//! hard link to a file of the host's. So names are taken apart here, and the kernel is only ever given
//! an open directory of this layer and one name in it.

use crate::engine::archive::{Archive, Entry};
use crate::engine::metadata::{Metadata, is_directory};
use crate::engine::stack::{Directory, Found};
use crate::engine::{alone, content, entries, remove};
use crate::whiteout::{self, Mark, Spelling};
use anyhow::{Context, Result};
use kernel::Errno;
use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat, mkdirat, mknodat};
use nix::sys::time::TimeSpec;
use nix::unistd::symlinkat;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

pub(crate) const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// What was unpacked.
#[derive(Debug, Default, Clone, Copy)]
pub struct Unpacked {
    /// Entries of the archive.
    pub entries: u64,
    /// When the last of its files was changed, in seconds since 1970.
    pub newest: Option<i64>,
}

/// Unpacks an archive into an empty directory that nobody else writes to, as the layer on top of
/// `below`.
///
/// # Errors
/// If an entry is not what it should be, or cannot be made; it is named.
pub fn unpack(
    archive: impl Read,
    into: &Path,
    below: &Directory,
    spelling: Spelling,
) -> Result<Unpacked> {
    let top = open(into, DIRECTORY, Mode::empty()).with_context(|| into.display().to_string())?;
    let root = Place { path: PathBuf::new(), union: Rc::new(Directory::over(&top, below)?) };
    let mut layer = Layer {
        spelling,
        times: BTreeMap::new(),
        paths: 0,
        parent: None,
        unpacked: Unpacked::default(),
        root,
    };
    layer.root_as_below()?;
    let mut archive = Archive::new(archive);
    while let Some(entry) = archive.next_entry()? {
        let shown = || entries::shown(&entry);
        layer.entry(&mut archive, &entry).map_err(entries::explained).with_context(shown)?;
        layer.unpacked.entries += 1;
        entries::bounded(layer.unpacked.entries, layer.paths)?;
    }
    // Whoever takes a digest takes it of the whole, and what comes after the end belongs to that.
    archive.finish()?;
    layer.set_times()?;
    Ok(layer.unpacked)
}

/// A layer that is being made.
pub(crate) struct Layer {
    pub(crate) root: Place,
    spelling: Spelling,
    /// Set at the end: what is made in a directory changes its time.
    pub(crate) times: BTreeMap<PathBuf, TimeSpec>,
    /// How long all of their paths are.
    paths: usize,
    /// The directory of the last entry: the next one is most likely in it, too.
    parent: Option<(PathBuf, Place)>,
    pub(crate) unpacked: Unpacked,
}

/// A directory of this layer, and its path without a link in it.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    /// What it is in the union with the layers below. The uppermost part of it is this layer's.
    pub(crate) union: Rc<Directory>,
}

impl Layer {
    fn entry(&mut self, archive: &mut Archive<impl Read>, entry: &Entry) -> Result<()> {
        let path = entries::clean(&entry.name)?;
        let metadata = &entry.metadata;
        let Some(name) = path.file_name() else {
            // The root itself: only a directory can be that.
            let fits = entry.kind == Some(SFlag::S_IFDIR);
            entries::insist(fits, "the root can only be a directory")?;
            self.times.insert(PathBuf::new(), metadata.mtime);
            return metadata.apply(self.root.directory(), OsStr::new("."), SFlag::S_IFDIR);
        };
        let parent = path.parent().unwrap_or(Path::new(""));
        entries::not_in_a_mark(parent)?;
        if let Some(mark) = whiteout::mark(name)? {
            // Where nothing is, nothing is to be hidden.
            let Some(Found::Directory(_)) = self.root.union.look_up(parent)? else { return Ok(()) };
            let place = self.place(parent)?;
            // What is below its directory is not what it was.
            self.parent = None;
            return match mark {
                Mark::AllGone => self.hide_all(&place),
                Mark::Gone(name) => self.hide(&place, name),
            };
        }
        let place = self.place(parent)?;
        let Some(kind) = entry.kind else {
            return self.hard_link(&place, name, &entries::linked(entry)?);
        };
        self.unpacked.newest = self.unpacked.newest.max(Some(metadata.mtime.tv_sec()));
        if kind == SFlag::S_IFDIR {
            return self.directory(&place, name, metadata);
        }
        self.make_room(&place, name)?;
        let at = place.directory();
        match kind {
            SFlag::S_IFREG => content::unpack(archive, entry, at, name)?,
            SFlag::S_IFLNK => symlinkat(entries::target(entry)?, at, name)?,
            _ => mknodat(at, name, kind, Mode::empty(), entries::device(entry)?)
                .map_err(entries::no_devices)?,
        }
        metadata.apply(at, name, kind)
    }

    /// The directory of this layer where the entries of a path go. Links on the way, of this layer or
    /// of those below, are followed in the union of them; what is only below is made here, too.
    pub(crate) fn place(&mut self, path: &Path) -> Result<Place> {
        if let Some((last, place)) = &self.parent
            && last == path
        {
            return Ok(place.clone());
        }
        let (real, _) = self.root.union.follow(path)?;
        entries::not_too_deep(&real)?;
        let mut place = self.root.clone();
        for name in &real {
            let metadata = match place.union.find(name)? {
                Some(Found::Directory(found)) if found.layer() == 0 => None,
                // As it is below: a directory is what its uppermost one is.
                Some(Found::Directory(found)) => {
                    Some(Metadata::of_file(found.uppermost(), &found.stat()?)?)
                }
                Some(Found::File(_)) => return Err(entries::in_the_way(path)),
                None => Some(Metadata::of_nobody().within(&place.union.stat()?)),
            };
            if let Some(metadata) = metadata {
                self.directory(&place, name, &metadata)?;
            }
            place = place.enter(name)?;
        }
        self.parent = Some((path.into(), place.clone()));
        Ok(place)
    }

    /// Until the archive says something else.
    fn root_as_below(&mut self) -> Result<()> {
        let metadata = match self.root.union.below() {
            Some((directory, stat)) => Metadata::of_file(directory, &stat?)?,
            None => Metadata::of_nobody(),
        };
        self.times.insert(PathBuf::new(), metadata.mtime);
        metadata.apply(self.root.directory(), OsStr::new("."), SFlag::S_IFDIR)
    }

    fn look(&self, place: &Place, name: &OsStr) -> Result<Option<FileStat>> {
        match fstatat(place.directory(), name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => Ok(None),
            stat => Ok(Some(stat?)),
        }
    }

    fn directory(&mut self, place: &Place, name: &OsStr, metadata: &Metadata) -> Result<()> {
        let before = self.look(place, name)?;
        if before.is_none_or(|stat| !is_directory(&stat)) {
            self.make_room(place, name)?;
            mkdirat(place.directory(), name, Mode::S_IRWXU)?;
        }
        // It had been taken away, or was a file: what is below must not shine through.
        if before.is_some_and(|stat| !is_directory(&stat)) {
            alone::make(place.enter(name)?.directory(), self.spelling)?;
        }
        let path = place.path.join(name);
        self.paths += path.as_os_str().len();
        self.times.insert(path, metadata.mtime);
        metadata.apply(place.directory(), name, SFlag::S_IFDIR)
    }

    /// Takes away what an earlier entry of this archive has made of that name.
    pub(crate) fn make_room(&mut self, place: &Place, name: &OsStr) -> Result<()> {
        if self.look(place, name)?.is_none() {
            return Ok(());
        }
        self.parent = None;
        let directory = format!("/proc/self/fd/{}", place.directory().as_raw_fd());
        remove::tree(&Path::new(&directory).join(name))
    }

    /// A whiteout is about the layers below. What this archive itself has of the name stays.
    fn hide(&mut self, place: &Place, name: &OsStr) -> Result<()> {
        if place.union.find_below(name)?.is_none() {
            return Ok(());
        }
        // LAB 03.3 gone: a whiteout, unless this layer has something of that name
        match self.look(place, name)? {
            Some(stat) if is_directory(&stat) => {
                alone::make(place.enter(name)?.directory(), self.spelling)
            }
            Some(_) => Ok(()),
            None => whiteout::make_whiteout(place.directory(), name).map_err(entries::no_devices),
        }
    }

    fn hide_all(&mut self, place: &Place) -> Result<()> {
        // LAB 03.3 opaque: nothing of the layers below shows in it, and all that this layer has in it stays
        if !place.path.as_os_str().is_empty() {
            return alone::make(place.directory(), self.spelling);
        }
        // The root is always merged: each of its names is hidden by itself.
        for name in place.union.names()?.keys() {
            self.hide(place, name)?;
        }
        Ok(())
    }
}

impl Place {
    pub(crate) fn directory(&self) -> &OwnedFd {
        self.union.uppermost()
    }

    /// A directory of this layer in it.
    fn enter(&self, name: &OsStr) -> Result<Place> {
        match self.union.find(name)? {
            Some(Found::Directory(union)) if union.layer() == 0 => {
                Ok(Place { path: self.path.join(name), union: Rc::new(union) })
            }
            _ => Err(Errno::ENOTDIR).with_context(|| entries::shown(Path::new(name))),
        }
    }
}

#[cfg(test)]
mod tests;
