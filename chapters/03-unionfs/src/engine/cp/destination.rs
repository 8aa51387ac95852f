//! Where a copy goes, by Docker's rules:
//!
//! | DEST is | a file SRC | a directory SRC | a directory SRC/. |
//! |---|---|---|---|
//! | a directory | into it, under its name | into it, under its name | its contents into it |
//! | something else | replaces it | is refused | is refused |
//! | not there, in a directory that is | becomes it; but not with `/` at the end | becomes it | becomes it |

use crate::engine::cp::argument::Asked;
use crate::engine::cp::root::Root;
use crate::engine::stack::kind;
use anyhow::{Context, Result};
use console::failure::Failure;
use kernel::Errno;
use nix::fcntl::readlinkat;
use nix::sys::stat::{SFlag, fstat};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// How many links in the last place are followed, as in the kernel (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Where it goes.
pub(crate) struct Destination {
    /// Into this directory, of this path.
    pub(crate) directory: OwnedFd,
    /// The path.
    pub(crate) path: PathBuf,
    /// Under this name; without one, what is in a directory goes in here.
    pub(crate) name: Option<PathBuf>,
}

/// What is there now.
pub(crate) enum There {
    /// A directory.
    Directory(OwnedFd),
    /// Something else of this kind, in the directory with its path and name.
    Other(SFlag, OwnedFd, PathBuf),
    /// Nothing yet, in this directory.
    Nothing(OwnedFd, PathBuf),
}

impl There {
    /// Looks. `missing` tells that a directory is not there.
    pub(crate) fn look(
        root: &Root,
        asked: &Asked,
        missing: &dyn Fn(&Path) -> anyhow::Error,
    ) -> Result<There> {
        let mut path = asked.path.clone();
        for _ in 0..MOST_LINKS {
            let named = || path.display().to_string();
            let found = root.open(&path, false).map_err(|error| no_way(error, &path))?;
            let found = found.map(|file| fstat(&file).map(|stat| (kind(&stat), file)));
            match found.transpose()? {
                Some((SFlag::S_IFDIR, directory)) => return Ok(There::Directory(directory)),
                // It may lead to what is not there yet.
                Some((SFlag::S_IFLNK, link)) => {
                    let target = readlinkat(&link, "").with_context(named)?;
                    path = parent(&path).join(target);
                }
                found => {
                    let parent = parent(&path);
                    let directory = root.directory(&parent);
                    let directory = directory.map_err(|error| no_way(error, &parent))?;
                    let directory = directory.ok_or_else(|| missing(&parent))?;
                    return Ok(match found {
                        Some((kind, _)) => There::Other(kind, directory, path),
                        None => There::Nothing(directory, path),
                    });
                }
            }
        }
        Err(Errno::ELOOP).with_context(|| asked.given.clone())
    }

    /// Where a copy of `source`, which may be a directory, goes.
    pub(crate) fn settle(
        self,
        destination: &Asked,
        source: &Asked,
        is_directory: bool,
    ) -> Result<Destination> {
        let refused =
            |words: &str, remedy: &str| Err(Failure::new(words).remedy(remedy).code(1).into());
        let under = |directory, path: PathBuf| {
            let name = path.file_name().map(PathBuf::from);
            Ok(Destination { directory, path: parent(&path), name })
        };
        match self {
            There::Directory(directory) => {
                let name = (!source.contents).then(|| source.name().into());
                Ok(Destination { directory, path: destination.path.clone(), name })
            }
            There::Other(..) if is_directory => refused(
                "cannot copy directory",
                "the destination is a file: name another, or remove it",
            ),
            There::Other(..) if destination.directory => {
                refused("not a directory", "leave out the slash at the end of the destination")
            }
            There::Nothing(..) if destination.directory && !is_directory => {
                refused("no such directory", "make it first, or leave out the slash at the end")
            }
            There::Other(_, directory, path) | There::Nothing(directory, path) => {
                under(directory, path)
            }
        }
    }
}

/// Why a path leads nowhere.
fn no_way(error: anyhow::Error, path: &Path) -> anyhow::Error {
    if error.downcast_ref() != Some(&Errno::ENOTDIR) {
        return error.context(path.display().to_string());
    }
    let failure = Failure::new(format!("{}: not a directory", path.display()));
    failure.remedy("on the way to the destination there is a file: name another").into()
}

/// The path of the directory that a path is in.
fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).into()
}
