//! The times of a new layer's directories: set last, because whatever is made in one changes it.

use crate::engine::metadata::{is_directory, set_time};
use crate::unpack::{Layer, Place};
use anyhow::Result;
use std::ffi::OsStr;
use std::path::PathBuf;

impl Layer<'_> {
    /// The deepest first: setting one's time changes no other's.
    pub(crate) fn set_times(&mut self) -> Result<()> {
        'directories: for (path, time) in self.times.iter().rev() {
            let mut place = Place { path: PathBuf::new(), directory: self.top.clone() };
            for name in path {
                place = match self.look(&place, name)? {
                    Some(stat) if is_directory(&stat) => place.enter(name)?,
                    // A later entry has put something else in its place.
                    _ => continue 'directories,
                };
            }
            set_time(&place.directory, OsStr::new("."), *time)?;
        }
        Ok(())
    }
}
