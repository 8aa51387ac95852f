//! How much a container has written, and how much it sees.

use crate::container::{Driver, Record};
use crate::engine::changes::{Kind, Roots};
use crate::engine::images;
use crate::engine::stack::{Directory, Found};
use crate::engine::store::Store;
use anyhow::{Context, Result};
use console::format::decimal_bytes;
use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes.
pub struct Written {
    /// In files of its own.
    pub own: u64,
    /// The same with its image's; none if it lies on no image.
    pub all: Option<u64>,
}

impl Written {
    /// Of this container.
    pub fn of(record: &Record, store: &Store) -> Result<Written> {
        let directory = record.directory(&store.root);
        let own = match record.driver {
            Driver::Overlay => of_layer(&directory.join("upper"), record)?,
            Driver::Copy => of_copy(&directory, record, store)?,
        };
        let image = record.image.as_deref().map(|id| store.layout().find(id)).transpose()?;
        let below = image.flatten().map(|image| images::size(&image));
        Ok(Written { own, all: below.map(|below| below.saturating_add(own)) })
    }

    /// As Docker writes it; where it cannot be told, why is told to whoever asked.
    pub fn shown(record: &Record, store: &Store) -> String {
        let written = Written::of(record, store);
        let written = written.with_context(|| format!("the size of container {}", record.name));
        written.map_or_else(
            |error| {
                console::tell(&format!("{error:#}"));
                "N/A".into()
            },
            |written| written.to_string(),
        )
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal_bytes(self.own))?;
        match self.all {
            Some(all) => write!(f, " (virtual {})", decimal_bytes(all)),
            None => Ok(()),
        }
    }
}

/// The files in its own layer.
fn of_layer(upper: &Path, record: &Record) -> Result<u64> {
    if !upper.exists() {
        return Ok(0);
    }
    below(&Directory::root(&[upper], record.spelling)?, &mut HashSet::new())
}

/// A file with several names counts once.
fn below(directory: &Directory, counted: &mut HashSet<(u64, u64)>) -> Result<u64> {
    let mut bytes = 0u64;
    for name in directory.names()?.into_keys() {
        bytes = bytes.saturating_add(match directory.find(&name)? {
            Some(Found::Directory(directory)) => below(&directory, counted)?,
            Some(Found::File(file)) if counted.insert((file.stat.st_dev, file.stat.st_ino)) => {
                file.stat.st_size as u64
            }
            _ => 0,
        });
    }
    Ok(bytes)
}

/// The files of its copy that are not as they were.
fn of_copy(directory: &Path, record: &Record, store: &Store) -> Result<u64> {
    let roots = Roots::of(record, directory, &store.lower(record)?, record.spelling)?;
    let (mut bytes, mut counted) = (0u64, HashSet::new());
    for change in roots.changes()?.iter().filter(|change| change.kind != Kind::Deleted) {
        let file = fs::symlink_metadata(directory.join("fs").join(&change.path))?;
        let counts = !file.is_dir() && counted.insert((file.dev(), file.ino()));
        bytes = bytes.saturating_add(if counts { file.len() } else { 0 });
    }
    Ok(bytes)
}
