//! `cp` of what is there: a file, or a directory with all that is in it. Devices, FIFOs and sockets are made
//! anew, and never opened: to read one may wait for ever, or do something.

use crate::engine::content;
use crate::engine::cp::copies::Copies;
use crate::engine::entries::{DEEPEST, shown};
use crate::engine::metadata::{Metadata, set_time};
use crate::engine::stack::{Directory, File, Found, kind};
use anyhow::{Context, Result, ensure};
use nix::sys::stat::SFlag;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;

impl Copies {
    /// Copies something into an open directory, whose path ends it.
    pub(crate) fn copy(&mut self, found: &Found, into: &OwnedFd, path: &Path) -> Result<()> {
        match found {
            Found::File(file) => self.file(file, into, path).with_context(|| shown(path)),
            Found::Directory(from) => {
                let metadata = Metadata::of_file(from.uppermost(), &from.stat()?)?;
                let made = self.directory(into, path, &metadata).with_context(|| shown(path))?;
                self.contents(from, &made, path)?;
                // At the end: whatever is made in it changes it.
                set_time(&made, OsStr::new("."), metadata.mtime)
            }
        }
    }

    /// Copies what is in a directory.
    pub(crate) fn contents(&mut self, from: &Directory, into: &OwnedFd, path: &Path) -> Result<()> {
        ensure!(path.iter().count() <= DEEPEST, "more than {DEEPEST} directories in one another");
        // Mounted there: /proc and others are not the container's files.
        if self.device.is_some_and(|device| from.stat().is_ok_and(|stat| stat.st_dev != device)) {
            return Ok(());
        }
        for name in from.names()?.into_keys() {
            // It may be gone since its name was read.
            if let Some(found) = from.find(&name)? {
                self.copy(&found, into, &path.join(&name))?;
            }
        }
        Ok(())
    }

    fn file(&mut self, file: &File, into: &OwnedFd, path: &Path) -> Result<()> {
        if self.link_again(&file.stat, into, path)? {
            return Ok(());
        }
        let metadata = Metadata::of_file(&file.file, &file.stat)?;
        let (kind, device) = (kind(&file.stat), file.stat.st_rdev);
        let mut size = 0;
        self.land(into, path, kind, &metadata, |copies, name| match kind {
            SFlag::S_IFREG => {
                let mut copy = content::create(into, name)?;
                size = content::copy_into(&file.read()?, &mut copy)?;
                Ok(copy.into())
            }
            SFlag::S_IFLNK => copies.make_link(into, name, file.target()?.as_os_str()),
            _ => copies.make_node(into, name, kind, device),
        })?;
        self.size += size.next_multiple_of(512);
        Ok(())
    }
}
