//! The other driver: a container's root is a copy of all its layers. It needs nothing of the kernel and
//! works where overlay does not; and it costs the time and the space that overlay saves.

use crate::engine::copy_up::copy_up;
use crate::engine::entries::{self, DEEPEST, shown};
use crate::engine::metadata::{Metadata, set_time};
use crate::engine::stack::{Directory, File, Found};
use crate::engine::{descriptors, interrupted, remove};
use crate::unpack::DIRECTORY;
use crate::whiteout::Spelling;
use anyhow::{Context, Result, ensure};
use kernel::{mount, path};
use namespaces::plan::{Phase, Plan};
use nix::fcntl::{AtFlags, open, openat};
use nix::sys::stat::{Mode, SFlag, mkdirat};
use nix::unistd::linkat;
use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Plans the copy, and that it becomes the root.
pub(crate) fn plan(lower: Vec<PathBuf>, copy: PathBuf, spelling: Spelling, plan: &mut Plan) {
    let to = copy.clone();
    plan.step(
        Phase::Prepare,
        "copy the layers",
        "what this container writes is in its copy, and no other container's",
        move || make_once(&lower, &to, spelling),
    );
    let root = plan.root.clone();
    plan.step(
        Phase::Prepare,
        "clone the mount of the copy, detached",
        "pivot_root wants a mount; a detached one is seen by nobody and vanishes with us",
        move || {
            let directory = path::open_root(&CString::new(copy.as_os_str().as_bytes())?)?;
            root.put(mount::clone_tree(&directory, c"")?);
            Ok(mount::make_detached_tree_private(root.get())?)
        },
    );
}

/// Makes a container's copy. One that is started again has it already.
pub(crate) fn make_once(lower: &[PathBuf], to: &Path, spelling: Spelling) -> Result<()> {
    if to.exists() { Ok(()) } else { descriptors::all(|| make(lower, to, spelling)) }
}

/// Copies the union of these layers, complete under its name or not at all.
// LAB 03.6 copy: copy beside the place where it belongs, and give it its name at the end
fn make(lower: &[PathBuf], to: &Path, spelling: Spelling) -> Result<()> {
    let union = Directory::root(lower, spelling)?;
    let partial = to.with_extension("partial");
    let named = || partial.display().to_string();
    // Whoever began it before us was killed.
    remove::tree(&partial)?;
    fs::create_dir(&partial).with_context(named)?;
    let root = open(&partial, DIRECTORY, Mode::empty()).with_context(named)?;
    let mut copy = Copy { root, linked: HashMap::new() };
    let root = copy.root.try_clone()?;
    let copied = copy
        .directory(&union, &root, Path::new(""))
        .and_then(|()| interrupted::refuse())
        .map_err(entries::explained);
    if copied.is_err() {
        // What went wrong first is worth telling, and the next attempt removes it, too.
        let _removed = remove::tree(&partial);
    }
    copied?;
    fs::rename(&partial, to).with_context(|| to.display().to_string())
}

/// A copy that is being made.
struct Copy {
    root: OwnedFd,
    /// Where a file with several names is already, by device and inode.
    linked: HashMap<(u64, u64), PathBuf>,
}

impl Copy {
    /// Fills a directory, which is empty, with what the union has in this one.
    // LAB 03.6 copy: all that the union shows, as it shows it
    fn directory(&mut self, from: &Directory, into: &OwnedFd, path: &Path) -> Result<()> {
        ensure!(path.iter().count() <= DEEPEST, "more than {DEEPEST} directories in one another");
        for name in from.names()?.into_keys() {
            interrupted::refuse()?;
            let path = path.join(&name);
            match from.find(&name)? {
                Some(Found::Directory(from)) => {
                    mkdirat(into, &*name, Mode::S_IRWXU).with_context(|| shown(&path))?;
                    let into = openat(into, &*name, DIRECTORY, Mode::empty())?;
                    self.directory(&from, &into, &path)?;
                }
                Some(Found::File(file)) => {
                    self.file(&file, into, &path).with_context(|| shown(&path))?;
                }
                // Gone since its name was read.
                None => {}
            }
        }
        // Last: whatever is made in a directory takes after it, and changes its time.
        let (own, stat) = (OsStr::new("."), from.stat()?);
        let metadata = Metadata::of_file(from.uppermost(), &stat)?;
        metadata.apply(into, own, SFlag::S_IFDIR).with_context(|| shown(path))?;
        set_time(into, own, metadata.mtime)
    }

    fn file(&mut self, file: &File, into: &OwnedFd, path: &Path) -> Result<()> {
        let name = path.file_name().context("a file has a name")?;
        if file.stat.st_nlink > 1 {
            let inode = (file.stat.st_dev, file.stat.st_ino);
            if let Some(first) = self.linked.get(&inode) {
                let (parent, first) = self.find(first)?;
                return Ok(linkat(&parent, first, into, name, AtFlags::empty())?);
            }
            self.linked.insert(inode, path.into());
        }
        copy_up(file, into, name).map(drop)
    }

    /// The directory that a path of the copy leads to, and the last name of it. The whole of it may be
    /// longer than the kernel takes one.
    fn find<'a>(&self, path: &'a Path) -> Result<(OwnedFd, &'a OsStr)> {
        let mut parent = self.root.try_clone()?;
        for name in path.parent().into_iter().flatten() {
            parent = openat(&parent, name, DIRECTORY, Mode::empty())?;
        }
        Ok((parent, path.file_name().context("a file has a name")?))
    }
}
