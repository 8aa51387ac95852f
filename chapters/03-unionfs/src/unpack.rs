//! An archive becomes a layer (tar(5); image-spec, "Layer Filesystem Changeset"). Whoever made the
//! archive may want to write somewhere else: by `..`, by a link that an earlier entry has made, by a
//! hard link to a file of the host's. So names are taken apart here, and the kernel is only ever given
//! an open directory of this layer and one name in it.

use crate::engine::archive::{Archive, Entry};
use crate::engine::metadata::is_directory;
use crate::engine::place::Place;
use crate::engine::stack::{Directory, list};
use crate::engine::{alone, content, entries};
use crate::whiteout::{self, Mark, Spelling};
use anyhow::{Context, Result};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, mknodat};
use nix::sys::time::TimeSpec;
use nix::unistd::symlinkat;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::Read;
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
        implied: BTreeSet::new(),
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
    pub(crate) spelling: Spelling,
    /// Set at the end: what is made in a directory changes its time.
    pub(crate) times: BTreeMap<PathBuf, TimeSpec>,
    /// What is here though no entry says so: directories on the way, and files that links have copied up.
    pub(crate) implied: BTreeSet<PathBuf>,
    /// How long all of their paths are.
    pub(crate) paths: usize,
    /// The directory of the last entry: the next one is most likely in it, too.
    pub(crate) parent: Option<(PathBuf, Place)>,
    pub(crate) unpacked: Unpacked,
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
            if !self.has_directory(parent)? {
                return Ok(());
            }
            let place = self.place(parent)?;
            // What is below its directory is not what it was.
            self.parent = None;
            return match mark {
                Mark::AllGone => self.hide_all(&place),
                Mark::Gone(name) => self.hide(&place, name),
            };
        }
        let place = self.place(parent)?;
        self.implied.remove(&place.path.join(name));
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

    /// A whiteout is about the layers below. What this archive itself has of the name stays.
    fn hide(&mut self, place: &Place, name: &OsStr) -> Result<()> {
        if place.union.find_below(name)?.is_none() {
            return Ok(());
        }
        self.remove_implied(place, name)?;
        // LAB 03.3 gone: a whiteout, unless this layer has something of that name
        match self.look(place, name)? {
            Some(stat) if is_directory(&stat) => {
                alone::make(place.enter(name)?.directory(), self.spelling)
            }
            Some(_) => Ok(()),
            None => whiteout::make_whiteout(place.directory(), name, self.spelling),
        }
    }

    fn hide_all(&mut self, place: &Place) -> Result<()> {
        for name in list(place.directory())? {
            self.remove_implied(place, &name)?;
        }
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

#[cfg(test)]
mod tests;
