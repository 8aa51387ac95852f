//! Layers on top of one another, and how a name is looked up in them. The kernel does the same in
//! overlay (fs/overlayfs/namei.c), and faster; here it is for whoever has no mount: which layer has a
//! file, what a container has changed, what a name means before its container exists.
//!
//! ```text
//!  upper    etc/passwd     tmp (0:0: gone)     data/new      ◀── looked at first
//!  layer 2  etc/motd       usr/bin/app
//!  layer 1  etc/passwd     tmp/…               data/old      ◀── looked at last
//!  union    etc/{passwd of upper, motd}   usr/bin/app   data/{new, old}
//! ```

use crate::whiteout::{self, Spelling};
use anyhow::{Context, Result};
use kernel::Errno;
use nix::dir::Dir;
use nix::fcntl::{AT_FDCWD, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// How many links are followed for one name, as in the kernel (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// A directory of the union.
pub struct Directory {
    /// The directories of this name that it is made of, the uppermost first.
    parts: Vec<Part>,
    spelling: Spelling,
}

#[derive(Clone)]
struct Part {
    layer: usize,
    /// Shared by all that are made of it: duplicates would be a call each, and there may be hundreds.
    directory: Arc<OwnedFd>,
}

/// What a name leads to.
pub enum Found {
    /// A directory.
    Directory(Directory),
    /// Anything else.
    File(File),
}

/// A file, link, device, FIFO or socket of the union.
pub struct File {
    /// Which layer it is from, 0 being the uppermost.
    pub layer: usize,
    /// What it is.
    pub stat: FileStat,
    /// Itself, whatever becomes of its name (O_PATH).
    pub file: OwnedFd,
}

impl Found {
    /// What is open: a directory with nothing below it, or a file.
    pub fn of(file: OwnedFd, spelling: Spelling) -> Result<Found> {
        let stat = fstat(&file)?;
        if kind(&stat) != SFlag::S_IFDIR {
            return Ok(Found::File(File { layer: 0, stat, file }));
        }
        let parts = vec![Part { layer: 0, directory: Arc::new(file) }];
        Ok(Found::Directory(Directory { parts, spelling }))
    }

    /// What it is.
    pub fn stat(&self) -> Result<FileStat> {
        match self {
            Found::Directory(directory) => directory.stat(),
            Found::File(file) => Ok(file.stat),
        }
    }
}

impl Directory {
    /// The root of the union of these directories, the uppermost first.
    ///
    /// # Errors
    /// If one cannot be opened; it is named.
    pub fn root(layers: &[impl AsRef<Path>], spelling: Spelling) -> Result<Directory> {
        let open = |(layer, path): (usize, &Path)| {
            let how = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let directory = nix::fcntl::open(path, how, Mode::empty());
            directory
                .with_context(|| format!("the layer {}", path.display()))
                .map(|directory| Part { layer, directory: Arc::new(directory) })
        };
        let layers = layers.iter().map(AsRef::as_ref).enumerate();
        Ok(Directory { parts: layers.map(open).collect::<Result<Vec<Part>>>()?, spelling })
    }

    /// Looks up a name in the root of the union of these directories, the uppermost first. Of hundreds,
    /// few have it: to open each of them first would be most of the work.
    ///
    /// # Errors
    /// If what has that name cannot be opened.
    pub fn find_in_root(
        layers: &[PathBuf],
        name: &OsStr,
        spelling: Spelling,
    ) -> Result<Option<Found>> {
        let named = |(layer, path): (usize, &PathBuf)| (layer, AT_FDCWD, path.join(name));
        merge(layers.iter().enumerate().map(named), spelling)
    }

    /// The union of these layers with one more on top.
    pub fn over(top: impl AsFd, below: &Directory) -> Result<Directory> {
        let directory = Arc::new(top.as_fd().try_clone_to_owned()?);
        let top = Part { layer: 0, directory };
        let mut parts = vec![top];
        for part in below.again().parts {
            parts.push(Part { layer: part.layer + 1, ..part });
        }
        Ok(Directory { parts, spelling: below.spelling })
    }

    /// Looks up one name. The uppermost layer that has it decides; only directories are merged with
    /// what lies below them, until one is opaque or hidden.
    pub fn find(&self, name: &OsStr) -> Result<Option<Found>> {
        self.find_in(&self.parts, name)
    }

    /// The same without the uppermost of the directories that it is made of.
    pub fn find_below(&self, name: &OsStr) -> Result<Option<Found>> {
        self.find_in(self.parts.get(1..).unwrap_or_default(), name)
    }

    fn find_in(&self, parts: &[Part], name: &OsStr) -> Result<Option<Found>> {
        merge(parts.iter().map(|part| (part.layer, part.directory.as_fd(), name)), self.spelling)
    }

    /// All names in it, each with the layer that it is from.
    pub fn names(&self) -> Result<BTreeMap<OsString, usize>> {
        Ok(self.names_and_marks()?.0)
    }

    /// The names that it hides.
    pub fn gone(&self) -> Result<Vec<OsString>> {
        Ok(self.names_and_marks()?.1.into_keys().collect())
    }

    fn names_and_marks(&self) -> Result<(BTreeMap<OsString, usize>, BTreeMap<OsString, usize>)> {
        let (mut names, mut gone) = (BTreeMap::new(), BTreeMap::new());
        for part in &self.parts {
            for name in list(&part.directory)? {
                if names.contains_key(&name) || gone.contains_key(&name) {
                    continue;
                }
                let Some((file, stat)) = open(&part.directory, name.as_ref())? else { continue };
                let hidden = whiteout::is_whiteout(file, &stat, self.spelling)?;
                if hidden { &mut gone } else { &mut names }.insert(name, part.layer);
            }
        }
        Ok((names, gone))
    }

    /// What it is: the uppermost one's owner, mode and times count.
    pub fn stat(&self) -> Result<FileStat> {
        Ok(fstat(&self.parts[0].directory)?)
    }

    /// The uppermost directory of those that it is made of.
    pub fn uppermost(&self) -> &OwnedFd {
        &self.parts[0].directory
    }

    /// The one that comes after it, and what it is.
    pub fn below(&self) -> Option<(&OwnedFd, nix::Result<FileStat>)> {
        self.parts.get(1).map(|part| (&*part.directory, fstat(&part.directory)))
    }

    /// The layer of the uppermost one.
    pub fn layer(&self) -> usize {
        self.parts[0].layer
    }

    /// Whether something of a lower layer shows through: with one part it is all in one layer.
    pub fn is_merged(&self) -> bool {
        self.parts.len() > 1
    }

    /// The same once more.
    pub fn again(&self) -> Directory {
        Directory { parts: self.parts.clone(), spelling: self.spelling }
    }

    /// What is at a path, following no link; none also where a file is in the way.
    pub fn find_path(&self, path: &Path) -> Result<Option<Found>> {
        let mut here = Found::Directory(self.again());
        for name in path {
            let Found::Directory(directory) = &here else { return Ok(None) };
            let Some(found) = directory.find(name)? else { return Ok(None) };
            here = found;
        }
        Ok(Some(here))
    }

    fn directory_at(&self, names: &[OsString]) -> Result<Directory> {
        match self.find_path(&names.iter().collect::<PathBuf>())? {
            Some(Found::Directory(directory)) => Ok(directory),
            // It was there a moment ago.
            _ => Err(Errno::ENOENT).context("a directory that is changed while it is looked at"),
        }
    }

    /// What a path leads to; this is the root of the union, to whom no link and no `..` matters.
    pub fn look_up(&self, path: &Path) -> Result<Option<Found>> {
        Ok(self.follow(path)?.1)
    }

    /// The path without a link in it that a path leads to, and what is there. Where nothing is, the
    /// rest of the path is taken as it stands.
    pub fn follow(&self, path: &Path) -> Result<(PathBuf, Option<Found>)> {
        let mut ahead: VecDeque<OsString> = components(path).collect();
        let mut links = 0;
        // Where we are, and its path. Of the directories that lead there none is kept open: they may be
        // made of hundreds of layers each.
        let (mut here, mut names) = (self.again(), Vec::<OsString>::new());
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                names.pop();
                here = self.directory_at(&names)?;
                continue;
            }
            match here.find(&name)? {
                Some(Found::Directory(directory)) => {
                    here = directory;
                    names.push(name);
                }
                Some(Found::File(file)) if kind(&file.stat) == SFlag::S_IFLNK => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::ELOOP).with_context(|| path.display().to_string());
                    }
                    let target = PathBuf::from(readlinkat(&file.file, "")?);
                    if target.is_absolute() {
                        names.clear();
                        here = self.again();
                    }
                    for name in components(&target).rev() {
                        ahead.push_front(name);
                    }
                }
                Some(found) if ahead.is_empty() => {
                    names.push(name);
                    return Ok((names.iter().collect(), Some(found)));
                }
                // A file is no way to anything.
                Some(_) => {
                    return Err(Errno::ENOTDIR).with_context(|| path.display().to_string());
                }
                None => {
                    names.push(name);
                    names.extend(ahead);
                    return Ok((names.iter().collect(), None));
                }
            }
        }
        Ok((names.iter().collect(), Some(Found::Directory(here))))
    }
}

/// What a name leads to that is looked up in these directories, the uppermost first.
fn merge<'a, N: AsRef<Path>>(
    places: impl ExactSizeIterator<Item = (usize, BorrowedFd<'a>, N)>,
    spelling: Spelling,
) -> Result<Option<Found>> {
    let (count, mut parts) = (places.len(), Vec::new());
    for (index, (layer, directory, name)) in places.enumerate() {
        let Some((file, stat)) = open(directory, name.as_ref())? else { continue };
        if kind(&stat) == SFlag::S_IFDIR {
            // Below the last one there is nothing to be hidden.
            let opaque = index + 1 < count && whiteout::is_opaque(&file, spelling)?;
            parts.push(Part { layer, directory: Arc::new(file) });
            if opaque {
                break;
            }
        } else if !parts.is_empty() || whiteout::is_whiteout(&file, &stat, spelling)? {
            break;
        } else {
            return Ok(Some(Found::File(File { layer, stat, file })));
        }
    }
    let directory = Directory { parts, spelling };
    Ok((!directory.parts.is_empty()).then_some(Found::Directory(directory)))
}

impl File {
    /// Opens it for reading. Only a regular file is: others might block, or be devices.
    pub fn read(&self) -> Result<std::fs::File> {
        if kind(&self.stat) != SFlag::S_IFREG {
            return Err(Errno::EINVAL).context("not a regular file");
        }
        Ok(std::fs::File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd()))?)
    }

    /// Where a symbolic link leads.
    pub fn target(&self) -> Result<PathBuf> {
        Ok(readlinkat(&self.file, "")?.into())
    }
}

/// The kind of a file, of stat(2)'s mode.
pub fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn components(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

/// Opens a name of a directory, following no link.
fn open(directory: impl AsFd, name: &Path) -> Result<Option<(OwnedFd, FileStat)>> {
    let how = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match openat(directory, name, how, Mode::empty()) {
        Err(Errno::ENOENT) => Ok(None),
        opened => {
            let file = opened.with_context(|| name.display().to_string())?;
            let stat = fstat(&file)?;
            Ok(Some((file, stat)))
        }
    }
}

/// Opens a directory for reading that is open by name only.
fn open_directory(file: impl AsFd) -> Result<OwnedFd> {
    let how = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(openat(file, c".", how, Mode::empty())?)
}

/// The names in a directory.
pub(crate) fn list(directory: impl AsFd) -> Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::from_fd(open_directory(directory)?)?.iter() {
        let name = CString::from(entry?.file_name());
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(OsString::from_vec(name.into_bytes()));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
