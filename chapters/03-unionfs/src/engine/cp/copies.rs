//! What `cp` makes: each file under a name of ours first, and under its own when it is whole, in a
//! directory that is open. No link is followed, no path taken: whoever swaps names meanwhile gets another
//! file into his own directory, and nothing out of it.

use crate::engine::cp::whose::Whose;
use crate::engine::entries;
use crate::engine::metadata::{Metadata, set_time};
use crate::engine::stack::kind;
use crate::unpack::DIRECTORY;
use anyhow::Result;
use console::failure::Failure;
use kernel::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, mkdirat, mknodat};
use nix::unistd::{UnlinkatFlags, geteuid, linkat, symlinkat, unlinkat};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Copies that are being made.
pub(crate) struct Copies {
    /// The directory that all of them are in.
    pub(crate) base: OwnedFd,
    /// Its name, for messages.
    shown: PathBuf,
    whose: Whose,
    /// Of the file system that the originals are on; none if whatever is mounted there is copied, too.
    pub(crate) device: Option<u64>,
    /// How many bytes an archive of them would have.
    pub(crate) size: u64,
    /// What a file is called while it is not whole, and how many there have been.
    beginning: String,
    count: u64,
    /// Where an original with several names is copied to already, by its device and inode.
    linked: HashMap<(u64, u64), PathBuf>,
}

impl Copies {
    /// In this directory, of this name.
    pub(crate) fn new(base: OwnedFd, shown: &Path, whose: Whose) -> Result<Copies> {
        let id = namespaces::engine::run::new_id()?;
        let beginning = format!(".minidock-{}-", &id[..16]);
        let (device, size, count) = (None, 0, 0);
        let (shown, linked) = (shown.into(), HashMap::new());
        Ok(Copies { base, shown, whose, device, size, beginning, count, linked })
    }

    /// A directory, new or there before.
    pub(crate) fn directory(
        &mut self,
        into: &OwnedFd,
        path: &Path,
        metadata: &Metadata,
    ) -> Result<OwnedFd> {
        let name = path.file_name().unwrap_or_default();
        let made = match mkdirat(into, name, Mode::S_IRWXU) {
            Err(Errno::EEXIST) => false,
            made => made.map(|()| true)?,
        };
        let opened = match openat(into, name, DIRECTORY, Mode::empty()) {
            Err(Errno::ENOTDIR | Errno::ELOOP) => {
                return Err(self.refused("non-directory", path, "directory"));
            }
            opened => opened?,
        };
        if made {
            self.check(&opened, SFlag::S_IFDIR)?;
        }
        self.whose.dress(&opened, SFlag::S_IFDIR, metadata)?;
        self.size += 512;
        Ok(opened)
    }

    /// Anything else: it is made under the name that `make` is given, and replaces what is not a
    /// directory.
    pub(crate) fn land(
        &mut self,
        into: &OwnedFd,
        path: &Path,
        kind: SFlag,
        metadata: &Metadata,
        make: impl FnOnce(&Copies, &OsStr) -> Result<OwnedFd>,
    ) -> Result<()> {
        self.size += 512;
        self.under_another_name(into, path, |copies, name| {
            let file = make(copies, name)?;
            copies.whose.dress(&file, kind, metadata)?;
            set_time(into, name, metadata.mtime)
        })
    }

    /// A link, device, FIFO or socket for that: none of them is ever opened.
    pub(crate) fn make_node(
        &self,
        into: &OwnedFd,
        name: &OsStr,
        kind: SFlag,
        device: u64,
    ) -> Result<OwnedFd> {
        let made = mknodat(into, name, kind, Mode::S_IRUSR | Mode::S_IWUSR, device);
        made.map_err(entries::no_devices)?;
        self.open_own(into, name, kind)
    }

    /// The same of a symbolic link.
    pub(crate) fn make_link(
        &self,
        into: &OwnedFd,
        name: &OsStr,
        target: &OsStr,
    ) -> Result<OwnedFd> {
        symlinkat(target, into, name)?;
        self.open_own(into, name, SFlag::S_IFLNK)
    }

    /// Another name of a file in a directory.
    pub(crate) fn link(
        &mut self,
        (parent, first): (&OwnedFd, &OsStr),
        into: &OwnedFd,
        path: &Path,
    ) -> Result<()> {
        self.size += 512;
        self.under_another_name(into, path, |_, name| {
            Ok(linkat(parent, first, into, name, AtFlags::empty())?)
        })
    }

    /// Another name of the copy of an original that has been copied; false if this is the first.
    pub(crate) fn link_again(
        &mut self,
        original: &FileStat,
        into: &OwnedFd,
        path: &Path,
    ) -> Result<bool> {
        if original.st_nlink < 2 {
            return Ok(false);
        }
        let inode = (original.st_dev, original.st_ino);
        let Some(first) = self.linked.get(&inode).cloned() else {
            self.linked.insert(inode, path.into());
            return Ok(false);
        };
        // A file system without such names gets two files; so does who has taken the first away.
        let mut parent = self.base.try_clone()?;
        for name in first.parent().into_iter().flatten() {
            match openat(&parent, name, DIRECTORY, Mode::empty()) {
                Ok(next) => parent = next,
                Err(_) => return Ok(false),
            }
        }
        Ok(self.link((&parent, first.file_name().unwrap_or_default()), into, path).is_ok())
    }

    fn under_another_name(
        &mut self,
        into: &OwnedFd,
        path: &Path,
        make: impl FnOnce(&Copies, &OsStr) -> Result<()>,
    ) -> Result<()> {
        let another = OsString::from(format!("{}{}", self.beginning, self.count));
        self.count += 1;
        let name = path.file_name().unwrap_or_default();
        let made = make(self, &another).and_then(|()| {
            match renameat(into, another.as_os_str(), into, name) {
                Err(Errno::EISDIR) => Err(self.refused("directory", path, "non-directory")),
                renamed => Ok(renamed?),
            }
        });
        // Also where all went well: two names of one file are left as they are (rename(2)).
        let _gone = unlinkat(into, another.as_os_str(), UnlinkatFlags::NoRemoveDir);
        made
    }

    fn open_own(&self, into: &OwnedFd, name: &OsStr, kind: SFlag) -> Result<OwnedFd> {
        let how = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(into, name, how, Mode::empty())?;
        self.check(&file, kind)?;
        Ok(file)
    }

    /// What is changed is what we have made: somebody in a container may have put a file there in between
    /// that is not his to change. On the host, a file server may have given it to nobody.
    fn check(&self, file: impl AsFd, made: SFlag) -> Result<()> {
        let stat = fstat(file)?;
        let own = self.whose == Whose::Ours || stat.st_uid == geteuid().as_raw();
        let single = made == SFlag::S_IFDIR || stat.st_nlink == 1;
        if kind(&stat) == made && own && single {
            return Ok(());
        }
        let failure = Failure::new("somebody changes what is being copied");
        Err(failure.remedy("stop or pause the container meanwhile").into())
    }

    fn refused(&self, there: &str, path: &Path, new: &str) -> anyhow::Error {
        let whole = self.shown.join(path);
        let words = format!("cannot overwrite {there} {whole:?} with {new} {:?}", self.shown);
        Failure::new(words).remedy("remove it first, or copy to another name").code(1).into()
    }
}
