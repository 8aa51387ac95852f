//! How a layer says that something is gone. A layer cannot take a name out of the layers below, so it
//! has a mark in its place. There are two spellings of it: the one of archives (image-spec, "Layer
//! Filesystem Changeset"), where a mark is a file with a special name, and the kernel's (overlayfs in
//! the kernel's documentation), where it is a device of number 0:0 or an attribute.
//!
//! | | in an archive | in a directory |
//! |---|---|---|
//! | `name` is gone | an empty file `.wh.name` | a character device 0:0 called `name` |
//! | all that is below `dir` is gone | an empty file `dir/.wh..wh..opq` | `dir` has the attribute overlay.opaque = y |

use crate::engine::whiteout_file;
use anyhow::Result;
use console::failure::Failure;
use kernel::{Errno, xattr};
use nix::sys::stat::{FileStat, Mode, SFlag, mknodat};
use serde::{Deserialize, Serialize};
use std::ffi::{CStr, OsStr};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

/// What the name of a mark in an archive begins with.
pub const PREFIX: &[u8] = b".wh.";

/// The name of the mark that hides all that lies below its directory.
pub const OPAQUE: &[u8] = b".wh..wh..opq";

/// Whose attributes overlay reads. Only root of the first user namespace may set `trusted` ones; in
/// the lab box overlay is mounted with `userxattr` and reads `user` ones. So do we on an overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spelling {
    /// trusted.overlay.…
    Trusted,
    /// user.overlay.…
    User,
}

impl Spelling {
    pub(crate) fn opaque(self) -> &'static CStr {
        match self {
            Spelling::Trusted => c"trusted.overlay.opaque",
            Spelling::User => c"user.overlay.opaque",
        }
    }

    pub(crate) fn whiteout(self) -> &'static CStr {
        match self {
            Spelling::Trusted => c"trusted.overlay.whiteout",
            Spelling::User => c"user.overlay.whiteout",
        }
    }
}

/// Whether an attribute is overlay's own. No image may bring one: a hostile one would have overlay
/// look for a file's content elsewhere (overlay.redirect).
pub fn is_overlays(name: &CStr) -> bool {
    let name = name.to_bytes();
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

/// What a name in an archive stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Mark<'a> {
    /// This name in the same directory is gone.
    Gone(&'a OsStr),
    /// All that the layers below have in the same directory is gone.
    AllGone,
}

/// The mark that an archive's name is; none if it is the name of a file.
///
/// # Errors
/// If it begins like a mark and is none that the specification knows.
pub fn mark(name: &OsStr) -> Result<Option<Mark<'_>>> {
    let Some(hidden) = name.as_bytes().strip_prefix(PREFIX) else { return Ok(None) };
    if name.as_bytes() == OPAQUE {
        return Ok(Some(Mark::AllGone));
    }
    // `.wh.` hides nothing, `.wh..` would hide the directory itself, and `.wh..wh.` is reserved.
    // LAB 03.3 hostile: refuse what can be no name
    if matches!(hidden, b"" | b"." | b"..") || hidden.starts_with(PREFIX) {
        let failure = Failure::new(format!("{name:?} is no whiteout that image-spec knows"));
        return Err(failure.remedy("whoever made this layer has to make it anew").into());
    }
    Ok(Some(Mark::Gone(OsStr::from_bytes(hidden))))
}

/// Whether a file of a layer's directory is a mark that its name is gone.
pub fn is_whiteout(file: impl AsFd, stat: &FileStat, spelling: Spelling) -> Result<bool> {
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    // Linux 6.7 has another way to write it, for where nobody may make devices.
    let may_be = kind == SFlag::S_IFREG && stat.st_size == 0;
    let is_device = kind == SFlag::S_IFCHR && stat.st_rdev == 0;
    Ok(is_device || may_be && xattr::get(file, spelling.whiteout())?.is_some())
}

/// Marks a name of a layer's directory as gone. Linux 5.8 lets everybody do it but in an overlay.
pub fn make_whiteout(directory: impl AsFd, name: &OsStr, spelling: Spelling) -> Result<()> {
    match mknodat(&directory, name, SFlag::S_IFCHR, Mode::empty(), 0) {
        Err(Errno::EPERM) => whiteout_file::make(directory, name, spelling),
        made => Ok(made?),
    }
}

/// Whether a directory of a layer hides what lies below it.
pub fn is_opaque(directory: impl AsFd, spelling: Spelling) -> Result<bool> {
    // `x` says that marks of the newer kind are in it, which hide one name each.
    Ok(xattr::get(directory, spelling.opaque())?.as_deref() == Some(b"y"))
}

/// Lets a directory of a layer hide what lies below it.
pub fn make_opaque(directory: impl AsFd, spelling: Spelling) -> nix::Result<()> {
    xattr::set(directory, spelling.opaque(), b"y")
}

#[cfg(test)]
mod tests;
