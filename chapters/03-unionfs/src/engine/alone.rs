//! A directory of a layer that hides all that lies below it. Marks in it have nothing to hide any more,
//! and must go: the kernel shows such a directory as it is, marks included, as names that nothing is
//! behind.

use crate::engine::metadata;
use crate::engine::stack::{kind, list};
use crate::whiteout::{self, Spelling};
use anyhow::Result;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::os::fd::AsFd;

/// Makes it one.
pub fn make(directory: impl AsFd, spelling: Spelling) -> Result<()> {
    whiteout::make_opaque(&directory, spelling)
        .map_err(|errno| metadata::refused(c"overlay.opaque", errno))?;
    forget(directory, spelling)
}

fn forget(directory: impl AsFd, spelling: Spelling) -> Result<()> {
    for name in list(&directory)? {
        let how = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&directory, name.as_os_str(), how, Mode::empty())?;
        let stat = fstat(&file)?;
        if kind(&stat) == SFlag::S_IFDIR {
            forget(file, spelling)?;
        } else if whiteout::is_whiteout(&file, &stat, spelling)? {
            unlinkat(&directory, name.as_os_str(), UnlinkatFlags::NoRemoveDir)?;
        }
    }
    Ok(())
}
