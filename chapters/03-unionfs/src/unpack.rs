//! An archive becomes a layer (tar(5); image-spec, "Layer Filesystem Changeset"). Whoever made the
//! archive may want to write somewhere else: by `..`, by a link that an earlier entry has made, by a
//! hard link to a file of the host's. So names are taken apart here, and the kernel is only ever given
//! an open directory of this layer and one name in it.

use crate::engine::bounded::{Bounded, Limit};
use crate::engine::extensions::Extensions;
use crate::engine::metadata::{Metadata, is_directory, kind_of};
use crate::engine::stack::{Directory, Found};
use crate::engine::{content, entries, remove};
use crate::whiteout::{self, Mark, Spelling};
use anyhow::{Context, Result, ensure};
use kernel::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat, mkdirat, mknodat};
use nix::sys::time::TimeSpec;
use nix::unistd::symlinkat;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// What was unpacked.
#[derive(Debug, Default, Clone, Copy)]
pub struct Unpacked {
    /// Bytes of all regular files.
    pub size: u64,
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
    let (archive, limit) = Bounded::new(archive);
    let mut layer = Layer {
        top: Rc::new(top),
        below,
        spelling,
        times: BTreeMap::new(),
        parent: None,
        extensions: Extensions::default(),
        unpacked: Unpacked::default(),
    };
    let mut archive = tar::Archive::new(archive);
    layer.entries(&mut archive, &limit)?;
    limit.content()?;
    // Whoever takes a digest takes it of the whole, and what comes after the end belongs to that.
    io::copy(&mut archive.into_inner(), &mut io::sink()).context("the end of the archive")?;
    layer.set_times()?;
    Ok(layer.unpacked)
}

/// A layer that is being made.
pub(crate) struct Layer<'a> {
    pub(crate) top: Rc<OwnedFd>,
    pub(crate) below: &'a Directory,
    spelling: Spelling,
    /// Set at the end: what is made in a directory changes its time.
    pub(crate) times: BTreeMap<PathBuf, TimeSpec>,
    /// The directory of the last entry: the next one is most likely in it, too.
    parent: Option<(PathBuf, Place)>,
    /// Of the last entry.
    extensions: Extensions,
    pub(crate) unpacked: Unpacked,
}

/// A directory of this layer, and its path without a link in it.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) directory: Rc<OwnedFd>,
}

impl Layer<'_> {
    fn entries<R: Read>(&mut self, archive: &mut tar::Archive<R>, limit: &Limit) -> Result<()> {
        let mut all = archive.entries()?;
        loop {
            limit.headers();
            let Some(entry) = all.next() else { return Ok(()) };
            let mut entry = entry.context("the archive is damaged")?;
            self.extensions = limit.content()?;
            let path = entries::path(&entry, &self.extensions)?;
            let shown = || entries::shown(&path);
            // What is about all entries, git's commit for one, is nothing that a layer keeps.
            if !entry.header().entry_type().is_pax_global_extensions() {
                self.entry(&mut entry, &path).with_context(shown)?;
            }
            // Only a plain file cannot change where a path leads.
            if !entry.header().entry_type().is_file() {
                self.parent = None;
            }
            // What is left of it must not count as the next one's headers.
            io::copy(&mut entry, &mut io::sink()).with_context(shown)?;
            self.unpacked.entries += 1;
        }
    }

    fn entry(&mut self, entry: &mut tar::Entry<impl Read>, path: &Path) -> Result<()> {
        let Some(name) = path.file_name() else {
            // The root itself: only a directory can be that.
            ensure!(kind_of(entry)? == SFlag::S_IFDIR, "the root can only be a directory");
            let metadata = Metadata::of_entry(entry, &self.extensions)?;
            self.times.insert(PathBuf::new(), metadata.mtime);
            return metadata.apply(&self.top, OsStr::new("."), SFlag::S_IFDIR);
        };
        let place = self.place(path.parent().unwrap_or(Path::new("")))?;
        match whiteout::mark(name)? {
            Some(Mark::AllGone) => self.hide_all(&place),
            Some(Mark::Gone(name)) => self.hide(&place, name),
            None if entry.header().entry_type().is_hard_link() => {
                let target =
                    entries::target(entry, &self.extensions)?.context("a hard link to nothing")?;
                self.hard_link(&place, name, &entries::clean(&target)?)
            }
            None => {
                let metadata = Metadata::of_entry(entry, &self.extensions)?;
                let newest = &mut self.unpacked.newest;
                *newest = (*newest).max(Some(metadata.mtime.tv_sec()));
                self.file(&place, name, entry, &metadata)
            }
        }
    }

    fn file(
        &mut self,
        place: &Place,
        name: &OsStr,
        entry: &mut tar::Entry<impl Read>,
        metadata: &Metadata,
    ) -> Result<()> {
        let kind = kind_of(entry)?;
        if kind == SFlag::S_IFDIR {
            return self.directory(place, name, metadata).map(drop);
        }
        self.make_room(place, name)?;
        let at = place.directory.as_fd();
        match kind {
            SFlag::S_IFREG => self.unpacked.size += content::unpack(entry, at, name)?,
            SFlag::S_IFLNK => {
                let target =
                    entries::target(entry, &self.extensions)?.context("a link to nothing")?;
                symlinkat(target.as_os_str(), at, name)?;
            }
            kind => {
                let device = entries::device(entry, kind)?;
                mknodat(at, name, kind, Mode::empty(), device).map_err(entries::no_devices)?;
            }
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
        let (real, _) = Directory::over(&self.top, self.below)?.follow(path)?;
        let mut place = Place { path: PathBuf::new(), directory: self.top.clone() };
        let mut below = Some(self.below.again());
        for name in &real {
            let found = below.as_ref().map(|below| below.find(name)).transpose()?.flatten();
            below = if let Some(Found::Directory(found)) = found { Some(found) } else { None };
            place = match self.look(&place, name)? {
                Some(stat) if is_directory(&stat) => place.enter(name)?,
                // A file is no way to anything; a mark says that nothing is there.
                Some(stat) if !whiteout::is_device(&stat) => Err(Errno::ENOTDIR)?,
                hidden => {
                    let metadata = match &below {
                        // As it is below: a directory is what its uppermost one is.
                        Some(below) if hidden.is_none() => {
                            Metadata::of_file(below.uppermost(), &below.stat()?)?
                        }
                        _ => Metadata::of_nobody(),
                    };
                    self.directory(&place, name, &metadata)?
                }
            };
        }
        self.parent = Some((path.into(), place.clone()));
        Ok(place)
    }

    pub(crate) fn look(&self, place: &Place, name: &OsStr) -> Result<Option<FileStat>> {
        match fstatat(&place.directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => Ok(None),
            stat => Ok(Some(stat?)),
        }
    }

    fn directory(&mut self, place: &Place, name: &OsStr, metadata: &Metadata) -> Result<Place> {
        let before = self.look(place, name)?;
        if before.is_none_or(|stat| !is_directory(&stat)) {
            self.make_room(place, name)?;
            mkdirat(&place.directory, name, Mode::S_IRWXU)?;
        }
        let made = place.enter(name)?;
        // It had been taken away, or was a file: what is below must not shine through.
        if before.is_some_and(|stat| !is_directory(&stat)) {
            whiteout::make_opaque(&made.directory, self.spelling)?;
        }
        metadata.apply(&place.directory, name, SFlag::S_IFDIR)?;
        self.times.insert(made.path.clone(), metadata.mtime);
        Ok(made)
    }

    /// Takes away what an earlier entry of this archive has made of that name.
    pub(crate) fn make_room(&mut self, place: &Place, name: &OsStr) -> Result<()> {
        if self.look(place, name)?.is_none() {
            return Ok(());
        }
        self.parent = None;
        let directory = format!("/proc/self/fd/{}", place.directory.as_raw_fd());
        remove::tree(&Path::new(&directory).join(name))
    }

    /// A whiteout is about the layers below. What this archive itself has of the name stays.
    // LAB 03.3 whiteout: make the mark, unless this layer has something of the name
    fn hide(&mut self, place: &Place, name: &OsStr) -> Result<()> {
        match self.look(place, name)? {
            Some(stat) if is_directory(&stat) => {
                Ok(whiteout::make_opaque(&place.enter(name)?.directory, self.spelling)?)
            }
            Some(_) => Ok(()),
            None if self.below.find_path(&place.path.join(name))?.is_none() => Ok(()),
            None => Ok(whiteout::make_whiteout(&place.directory, name)?),
        }
    }

    // LAB 03.3 opaque: let the directory hide all that lies below it
    fn hide_all(&mut self, place: &Place) -> Result<()> {
        if !place.path.as_os_str().is_empty() {
            return Ok(whiteout::make_opaque(&place.directory, self.spelling)?);
        }
        // The root is always merged: each of its names is hidden by itself.
        for name in self.below.names()?.keys() {
            self.hide(place, name)?;
        }
        Ok(())
    }
}

impl Place {
    pub(crate) fn enter(&self, name: &OsStr) -> Result<Place> {
        let directory = openat(&self.directory, name, DIRECTORY, Mode::empty())?;
        Ok(Place { path: self.path.join(name), directory: Rc::new(directory) })
    }
}

#[cfg(test)]
mod tests;
