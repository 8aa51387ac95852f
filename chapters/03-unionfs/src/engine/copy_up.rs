//! A file of a layer, made once more in a directory of ours with all that it has, as overlay does it before
//! the first write to it (copy-up).

use crate::engine::metadata::Metadata;
use crate::engine::stack::{File, kind};
use crate::engine::{content, entries};
use anyhow::Result;
use nix::sys::stat::{Mode, SFlag, mknodat};
use nix::unistd::symlinkat;
use std::ffi::OsStr;
use std::os::fd::AsFd;

/// Makes it; returns the size of its content.
pub(crate) fn copy_up(file: &File, at: impl AsFd, name: &OsStr) -> Result<u64> {
    let kind = kind(&file.stat);
    let mut size = 0;
    match kind {
        SFlag::S_IFREG => size = content::copy(&file.read()?, &at, name)?,
        SFlag::S_IFLNK => symlinkat(&file.target()?, &at, name)?,
        _ => mknodat(&at, name, kind, Mode::empty(), file.stat.st_rdev)
            .map_err(entries::no_devices)?,
    }
    Metadata::of_file(&file.file, &file.stat)?.apply(at, name, kind)?;
    Ok(size)
}
