//! Where paths of one side of `cp` lead: on the host; in the root of a container that runs, which may be
//! changed under our hands; in the layers of one that does not.

use crate::engine::stack::{Directory, Found, kind};
use crate::whiteout::Spelling;
use anyhow::{Context, Result};
use kernel::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag};
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A side.
pub(crate) enum Root {
    /// All of the host.
    Host,
    /// All that can be reached in this directory: links in there lead to what is in there.
    Open(OwnedFd),
    /// Layers, to read from.
    Union(Directory),
}

impl Root {
    /// What a path leads to, opened without reading it; none if nothing is there. A link in the last
    /// place is a link, unless it is to be followed.
    pub(crate) fn find(
        &self,
        path: &Path,
        follow: bool,
        spelling: Spelling,
    ) -> Result<Option<Found>> {
        let Root::Union(union) = self else {
            return self.open(path, follow)?.map(|file| Found::of(file, spelling)).transpose();
        };
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) if !follow => match union.look_up(parent)? {
                Some(Found::Directory(directory)) => directory.find(name),
                Some(Found::File(_)) => Err(Errno::ENOTDIR.into()),
                None => Ok(None),
            },
            _ => union.look_up(path),
        }
    }

    /// The same where something can be written.
    pub(crate) fn open(&self, path: &Path, follow: bool) -> Result<Option<OwnedFd>> {
        let opened = match self {
            Root::Host => {
                let flags = if follow { OFlag::empty() } else { OFlag::O_NOFOLLOW };
                open(path, OFlag::O_PATH | OFlag::O_CLOEXEC | flags, Mode::empty())
            }
            Root::Open(root) => {
                let path = CString::new(path.as_os_str().as_bytes()).context("a NUL byte")?;
                let opened = kernel::path::open_in_root(root, &path, follow);
                opened.map_err(|error| error.errno)
            }
            Root::Union(_) => Err(Errno::EROFS),
        };
        match opened {
            Err(Errno::ENOENT) => Ok(None),
            opened => Ok(Some(opened?)),
        }
    }

    /// The same of a directory.
    pub(crate) fn directory(&self, path: &Path) -> Result<Option<OwnedFd>> {
        let Some(opened) = self.open(path, true)? else { return Ok(None) };
        match kind(&nix::sys::stat::fstat(&opened)?) {
            SFlag::S_IFDIR => Ok(Some(opened)),
            _ => Err(Errno::ENOTDIR.into()),
        }
    }
}
