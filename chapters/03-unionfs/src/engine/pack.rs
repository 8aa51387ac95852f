//! A layer, or all that a container sees, becomes an archive (tar(5), pax): the same bytes each time for
//! the same files. Names come in order; owners are numbers; nothing of the moment gets in.

use crate::engine::changes::{Change, Kind, Roots};
use crate::engine::entries::DEEPEST;
use crate::engine::metadata::Metadata;
use crate::engine::stack::{self, Directory, Found, kind};
use crate::whiteout::{self, Spelling};
use anyhow::{Context, Result};
use console::failure::Failure;
use nix::fcntl::readlinkat;
use nix::sys::stat::{FileStat, SFlag, major, minor};
use nix::sys::time::TimeSpec;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// Packs a layer's directory, its marks in the spelling of archives. No file is newer than `latest`
/// says, in seconds since 1970.
pub fn pack_layer(
    directory: &Path,
    spelling: Spelling,
    out: impl Write,
    latest: Option<i64>,
) -> Result<()> {
    // One layer alone: its names are those of the union, and its marks show where it has none.
    let root = Directory::root(&[directory], spelling)?;
    Archive::new(out, latest).pack(&root, Some(spelling))
}

/// Packs a union as the layer of an image: what is hidden in it is not there.
pub fn pack_union(root: &Directory, out: impl Write, latest: Option<i64>) -> Result<()> {
    Archive::new(out, latest).pack(root, None)
}

/// Packs a union for tar(1), to whom every name is one. As a layer, what is called like a mark would be one.
pub fn pack_plain(root: &Directory, out: impl Write) -> Result<()> {
    Archive { is_layer: false, ..Archive::new(out, None) }.pack(root, None)
}

/// Packs what somebody has asked for, under this name, for tar(1); nothing of a directory that is not on
/// the same device, if one is given.
pub fn pack_found(found: &Found, name: &Path, device: Option<u64>, out: impl Write) -> Result<()> {
    let mut archive = Archive { is_layer: false, device, ..Archive::new(out, None) };
    match found {
        Found::Directory(directory) => archive.directory(directory, name, None)?,
        Found::File(file) => archive.file(file, name)?,
    }
    archive.end()
}

/// Packs what a container has changed as a layer, where it has none of its own but a copy of all.
pub fn pack_changes(roots: &Roots, out: impl Write, latest: Option<i64>) -> Result<()> {
    let mut archive = Archive::new(out, latest);
    for Change { kind, path } in roots.changes()? {
        let shown = || path.display().to_string();
        not_a_mark(&path)?;
        match roots.whole.find_path(&path)? {
            _ if kind == Kind::Deleted => {
                let name = path.file_name().context("the root stays")?.as_bytes();
                let mark = [whiteout::PREFIX, name].concat();
                archive.mark(&path.with_file_name(OsStr::from_bytes(&mark)))?;
            }
            Some(Found::Directory(directory)) => {
                let name = [bytes(&path), b"/".into()].concat();
                let entry = archive.entry(&name, directory.uppermost(), &directory.stat()?);
                entry.with_context(shown)?;
            }
            Some(Found::File(file)) => archive.file(&file, &path).with_context(shown)?,
            // Gone since.
            None => {}
        }
    }
    archive.end()
}

struct Archive<W: Write> {
    builder: Builder<W>,
    latest: Option<i64>,
    /// In a layer, some names are marks.
    is_layer: bool,
    /// What is mounted in directories is not on this device, and left out.
    device: Option<u64>,
    /// Where a file with several names is already, by device and inode.
    linked: HashMap<(u64, u64), PathBuf>,
}

impl<W: Write> Archive<W> {
    fn new(out: W, latest: Option<i64>) -> Archive<W> {
        let builder = Builder::new(out);
        Archive { builder, latest, is_layer: true, device: None, linked: HashMap::new() }
    }

    fn pack(mut self, root: &Directory, marks: Option<Spelling>) -> Result<()> {
        self.directory(root, Path::new(""), marks)?;
        self.end()
    }

    fn end(self) -> Result<()> {
        self.builder.into_inner().context("the end of the archive")?.flush()?;
        Ok(())
    }

    /// A directory comes before what is in it; that it is opaque, before all else in it.
    fn directory(
        &mut self,
        directory: &Directory,
        path: &Path,
        marks: Option<Spelling>,
    ) -> Result<()> {
        let shown = || path.display().to_string();
        if path.iter().count() > DEEPEST {
            let failure = format!("more than {DEEPEST} directories in one another");
            return Err(Failure::new(failure)
                .remedy("move some of them up, or remove them")
                .into());
        }
        let mut name = if path.as_os_str().is_empty() { b".".into() } else { bytes(path) };
        name.push(b'/');
        let file = directory.uppermost();
        let stat = directory.stat()?;
        self.entry(&name, file, &stat).with_context(shown)?;
        if self.device.is_some_and(|device| device != stat.st_dev) {
            return Ok(());
        }
        // LAB 03.2 anew: if this directory hides what lies below it, say so
        if marks.map(|spelling| whiteout::is_opaque(file, spelling)).transpose()? == Some(true) {
            self.mark(&path.join(OsStr::from_bytes(whiteout::OPAQUE)))?;
        }
        // LAB 03.2 gone: the names of this directory that are taken away, if they are to be told
        let gone = match marks {
            Some(_) => directory.gone()?,
            None => Vec::new(),
        };
        let names = directory.names()?.into_keys().map(|name| (name, false));
        let mut names: Vec<_> = names.chain(gone.into_iter().map(|name| (name, true))).collect();
        names.sort_unstable();
        for (name, is_gone) in names {
            let path = path.join(&name);
            if is_gone {
                let mark = [whiteout::PREFIX, name.as_bytes()].concat();
                self.mark(&path.with_file_name(OsStr::from_bytes(&mark)))?;
                continue;
            }
            if self.is_layer {
                not_a_mark(&path)?;
            }
            match directory.find(&name)? {
                Some(Found::Directory(directory)) => self.directory(&directory, &path, marks)?,
                Some(Found::File(file)) => {
                    self.file(&file, &path).with_context(|| path.display().to_string())?;
                }
                // Gone since its name was read.
                None => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, file: &stack::File, path: &Path) -> Result<()> {
        // Only whoever listens at a socket gives it a meaning.
        if kind(&file.stat) == SFlag::S_IFSOCK {
            return Ok(());
        }
        if file.stat.st_nlink > 1 {
            let inode = (file.stat.st_dev, file.stat.st_ino);
            if let Some(first) = self.linked.get(&inode) {
                let header = blank(EntryType::Link);
                return self.append(header, &bytes(path), Some(&bytes(first)), vec![], io::empty());
            }
            self.linked.insert(inode, path.into());
        }
        self.entry(&bytes(path), &file.file, &file.stat)
    }

    fn entry(&mut self, name: &[u8], file: impl AsFd, stat: &FileStat) -> Result<()> {
        let metadata = Metadata::of_file(&file, stat)?;
        let mut header = blank(EntryType::Regular);
        header.set_mode(metadata.mode);
        header.set_uid(metadata.uid.into());
        header.set_gid(metadata.gid.into());
        let mut extensions = Vec::new();
        self.time(metadata.mtime, &mut header, &mut extensions);
        for (name, value) in metadata.xattrs {
            let name = name.into_string().context("the name of an attribute")?;
            // A record's key ends at the first one.
            if name.contains('=') {
                let failure = Failure::new(format!("no archive can tell of the attribute {name}"));
                return Err(failure.remedy(format!("remove it: setfattr -x {name} FILE")).into());
            }
            extensions.push((format!("SCHILY.xattr.{name}"), value));
        }
        let mut target = None;
        let kind = kind(stat);
        header.set_entry_type(match kind {
            SFlag::S_IFDIR => EntryType::Directory,
            SFlag::S_IFLNK => {
                target = Some(readlinkat(&file, "")?.as_bytes().to_vec());
                EntryType::Symlink
            }
            SFlag::S_IFCHR => EntryType::Char,
            SFlag::S_IFBLK => EntryType::Block,
            SFlag::S_IFIFO => EntryType::Fifo,
            _ => EntryType::Regular,
        });
        if matches!(kind, SFlag::S_IFCHR | SFlag::S_IFBLK) {
            header.set_device_major(major(stat.st_rdev) as u32)?;
            header.set_device_minor(minor(stat.st_rdev) as u32)?;
        }
        if kind != SFlag::S_IFREG {
            return self.append(header, name, target.as_deref(), extensions, io::empty());
        }
        let size = stat.st_size as u64;
        header.set_size(size);
        // A hole is packed as zeros: image-spec advises against sparse entries, which not all can read; and
        // where there are holes is no part of what a file is, while a digest would depend on it.
        let content = File::open(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()))?;
        // It may have grown since.
        let mut content = content.take(size);
        self.append(header, name, None, extensions, &mut content)?;
        if content.limit() > 0 {
            let failure = Failure::new("it became shorter while it was read");
            return Err(failure.remedy("stop or pause the container meanwhile").into());
        }
        Ok(())
    }

    /// A file that says that something is gone.
    fn mark(&mut self, path: &Path) -> Result<()> {
        let header = blank(EntryType::Regular);
        self.append(header, &bytes(path), None, vec![], io::empty())
    }

    /// In the header as whole seconds; what does not fit there goes into an extension.
    fn time(&self, mtime: TimeSpec, header: &mut Header, extensions: &mut Vec<(String, Vec<u8>)>) {
        let (mut seconds, mut nanoseconds) = (mtime.tv_sec(), mtime.tv_nsec());
        if let Some(latest) = self.latest.filter(|latest| *latest <= seconds) {
            (seconds, nanoseconds) = (latest, 0);
        }
        header.set_mtime(u64::try_from(seconds).unwrap_or(0));
        if nanoseconds != 0 || seconds < 0 {
            let text = match seconds {
                0.. => format!("{seconds}.{nanoseconds:09}"),
                _ if nanoseconds == 0 => seconds.to_string(),
                _ => {
                    let (whole, rest) = (seconds + 1, 1_000_000_000 - nanoseconds);
                    let sign = if whole == 0 { "-" } else { "" };
                    format!("{sign}{whole}.{rest:09}")
                }
            };
            extensions.push(("mtime".into(), text.into_bytes()));
        }
    }

    fn append(
        &mut self,
        mut header: Header,
        name: &[u8],
        target: Option<&[u8]>,
        mut extensions: Vec<(String, Vec<u8>)>,
        content: impl Read,
    ) -> Result<()> {
        let old = header.as_old_mut();
        if !put(&mut old.name, name) {
            extensions.push(("path".into(), name.to_vec()));
        }
        if let Some(target) = target
            && !put(&mut old.linkname, target)
        {
            extensions.push(("linkpath".into(), target.to_vec()));
        }
        header.set_cksum();
        let pairs = extensions.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        if !extensions.is_empty() {
            self.builder.append_pax_extensions(pairs)?;
        }
        Ok(self.builder.append(&header, content)?)
    }
}

/// A file whose name begins like a mark would be taken for one.
fn not_a_mark(path: &Path) -> Result<()> {
    let Some(name) = path.file_name() else { return Ok(()) };
    if !name.as_bytes().starts_with(whiteout::PREFIX) {
        return Ok(());
    }
    let words = format!("a file called {name:?}: in an image that is a whiteout");
    let failure = anyhow::Error::from(Failure::new(words).remedy("rename it"));
    Err(failure.context(path.display().to_string()))
}

/// The header of an empty file that nobody may read, of 1970.
fn blank(kind: EntryType) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    header
}

/// Writes a name into its field, or as much of it as fits; says whether that was all.
fn put(field: &mut [u8; 100], name: &[u8]) -> bool {
    let length = name.len().min(field.len());
    field[..length].copy_from_slice(&name[..length]);
    length == name.len()
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(test)]
mod tests;
