//! The times of a new layer's directories: set last, because whatever is made in one changes it.

use crate::engine::metadata::set_time;
use crate::unpack::{DIRECTORY, Layer};
use anyhow::Result;
use kernel::Errno;
use nix::fcntl::openat;
use nix::sys::stat::Mode;
use std::ffi::OsStr;

impl Layer {
    /// The deepest first: setting one's time changes no other's.
    pub(crate) fn set_times(&self) -> Result<()> {
        'directories: for (path, time) in self.times.iter().rev() {
            let mut here = self.root.directory().try_clone()?;
            for name in path {
                here = match openat(&here, name, DIRECTORY, Mode::empty()) {
                    // A later entry has put something else in its place.
                    Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => continue 'directories,
                    opened => opened?,
                };
            }
            set_time(&here, OsStr::new("."), *time)?;
        }
        Ok(())
    }
}
