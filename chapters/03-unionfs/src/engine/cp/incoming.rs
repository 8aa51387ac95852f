//! `cp -`: an archive from standard input becomes files in a directory, which no name in it leads out of:
//! not by `..`, not by a link, whoever has made that.

use crate::engine::archive::{Archive, Entry};
use crate::engine::assemble::Compression;
use crate::engine::content;
use crate::engine::cp::copies::Copies;
use crate::engine::entries::{self, clean_in};
use crate::engine::metadata::set_time;
use anyhow::{Context, Result, ensure};
use flate2::read::MultiGzDecoder;
use kernel::Errno;
use kernel::path::{make_directory, open_in_root};
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag};
use nix::sys::time::TimeSpec;
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::io::{Cursor, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where names lead to, in messages.
const PLACE: &str = "the destination";

/// Times of directories, which are set at the end.
type Times = BTreeMap<PathBuf, TimeSpec>;

impl Copies {
    /// Unpacks an archive, which may be in gzip.
    pub(crate) fn unpack(&mut self, mut input: impl Read) -> Result<()> {
        let mut first = Vec::new();
        input.by_ref().take(6).read_to_end(&mut first).context("read the archive")?;
        let undo = |program: &str| format!("{program} -dc FILE | minidock-03 cp - CONTAINER:DIR");
        let compression = Compression::of(&first, undo)?;
        let input = Cursor::new(first).chain(input);
        match compression {
            Compression::Gzip => self.entries(Archive::new(MultiGzDecoder::new(input))),
            Compression::Plain => self.entries(Archive::new(input)),
        }
    }

    fn entries(&mut self, mut archive: Archive<impl Read>) -> Result<()> {
        let mut times = Times::new();
        while let Some(entry) = archive.next_entry().context("the archive is damaged")? {
            let done = self.entry(&mut archive, &entry, &mut times).map_err(entries::explained);
            done.with_context(|| entries::shown(&entry))?;
        }
        // Whoever writes it is not to meet a pipe that nobody reads.
        archive.finish()?;
        // The deepest first: setting one's time changes no other's.
        for (path, time) in times.iter().rev() {
            // What a later entry has put in its place has a time of its own.
            let how = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            if let Some(parent) = self.existing(path.parent())?
                && let Ok(directory) =
                    openat(&parent, path.file_name().unwrap_or_default(), how, Mode::empty())
            {
                set_time(directory, OsStr::new("."), *time)?;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        archive: &mut Archive<impl Read>,
        entry: &Entry,
        times: &mut Times,
    ) -> Result<()> {
        let path = clean_in(PLACE, &entry.name)?;
        if path.as_os_str().is_empty() {
            ensure!(entry.kind == Some(SFlag::S_IFDIR), "the destination is a directory");
            // It stays as it is.
            return Ok(());
        }
        let (into, metadata) = (self.parent(path.parent())?, &entry.metadata);
        match entry.kind {
            None => self.hard_link(&into, &path, entry),
            Some(SFlag::S_IFDIR) => {
                self.directory(&into, &path, metadata)?;
                times.insert(path, metadata.mtime);
                Ok(())
            }
            Some(kind) => {
                self.size += entry.size.next_multiple_of(512);
                self.land(&into, &path, kind, metadata, |copies, name| match kind {
                    SFlag::S_IFREG => {
                        let mut file = content::create(&into, name)?;
                        content::unpack_into(archive, entry, &mut file)?;
                        Ok(file.into())
                    }
                    SFlag::S_IFLNK => copies.make_link(&into, name, entries::target(entry)?),
                    _ => copies.make_node(&into, name, kind, entries::device(entry)?),
                })
            }
        }
    }

    fn hard_link(&mut self, into: &OwnedFd, path: &Path, entry: &Entry) -> Result<()> {
        let target = clean_in(PLACE, entries::target(entry)?.as_bytes())?;
        let named = || format!("a hard link to {}", entries::shown(&target));
        let first = target.file_name().with_context(named)?;
        let parent = self.existing(target.parent())?.with_context(named)?;
        self.link((&parent, first), into, path).with_context(named)
    }

    /// A directory of the archive, as the links in there lead to it; none if it is not there.
    fn existing(&self, path: Option<&Path>) -> Result<Option<OwnedFd>> {
        let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else {
            return Ok(Some(self.base.try_clone()?));
        };
        let name = CString::new(path.as_os_str().as_bytes())?;
        match open_in_root(&self.base, &name, true) {
            Err(error) if error.errno == Errno::ENOENT => Ok(None),
            opened => Ok(Some(opened?)),
        }
    }

    /// The same; what is missing is made.
    fn parent(&self, path: Option<&Path>) -> Result<OwnedFd> {
        if let Some(there) = self.existing(path)? {
            return Ok(there);
        }
        let path = path.context("the destination is gone")?;
        let above = self.parent(path.parent())?;
        let name = CString::new(path.file_name().context("a name")?.as_bytes())?;
        make_directory(&above, &name, 0o755)?;
        // A link that leads to nothing is there, and is no directory.
        self.existing(Some(path))?.context(Errno::ENOTDIR)
    }
}
