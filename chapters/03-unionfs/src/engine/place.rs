//! Where the entries of an archive go: directories of the layer that is being made, each opened by one name
//! in the one above it, never by a path. What a name leads to is asked of the union with the layers below.

use crate::engine::metadata::{Metadata, is_directory};
use crate::engine::stack::{Directory, Found};
use crate::engine::{alone, entries, remove};
use crate::unpack::Layer;
use anyhow::{Context, Result};
use kernel::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat, mkdirat};
use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A directory of this layer, and its path without a link in it.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    /// What it is in the union with the layers below. The uppermost part of it is this layer's.
    pub(crate) union: Rc<Directory>,
}

impl Layer {
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
                self.implied.insert(place.path.join(name));
            }
            place = place.enter(name)?;
        }
        self.parent = Some((path.into(), place.clone()));
        Ok(place)
    }

    /// Whether a path leads to a directory. Behind a file, there is none either.
    pub(crate) fn has_directory(&self, path: &Path) -> Result<bool> {
        match self.root.union.look_up(path) {
            Err(error) if error.root_cause().downcast_ref() == Some(&Errno::ENOTDIR) => Ok(false),
            found => Ok(matches!(found?, Some(Found::Directory(_)))),
        }
    }

    /// Until the archive says something else.
    pub(crate) fn root_as_below(&mut self) -> Result<()> {
        let metadata = match self.root.union.below() {
            Some((directory, stat)) => Metadata::of_file(directory, &stat?)?,
            None => Metadata::of_nobody(),
        };
        self.times.insert(PathBuf::new(), metadata.mtime);
        metadata.apply(self.root.directory(), OsStr::new("."), SFlag::S_IFDIR)
    }

    pub(crate) fn look(&self, place: &Place, name: &OsStr) -> Result<Option<FileStat>> {
        match fstatat(place.directory(), name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => Ok(None),
            stat => Ok(Some(stat?)),
        }
    }

    pub(crate) fn directory(
        &mut self,
        place: &Place,
        name: &OsStr,
        metadata: &Metadata,
    ) -> Result<()> {
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
}

impl Place {
    pub(crate) fn directory(&self) -> &OwnedFd {
        self.union.uppermost()
    }

    /// A directory of this layer in it.
    pub(crate) fn enter(&self, name: &OsStr) -> Result<Place> {
        match self.union.find(name)? {
            Some(Found::Directory(union)) if union.layer() == 0 => {
                Ok(Place { path: self.path.join(name), union: Rc::new(union) })
            }
            _ => Err(Errno::ENOTDIR).with_context(|| entries::shown(Path::new(name))),
        }
    }
}
