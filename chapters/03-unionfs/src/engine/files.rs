//! Files of ours: read whole or not at all, replaced in one go (rename(2)).

use anyhow::{Context, Result};
use console::failure::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// More than any record of ours has.
const LIMIT: u64 = 16 << 20;

/// Writes a record: whoever reads it sees the old one or the new one. It is not waited for until it is
/// on the disk: a record that a loss of power takes is one of a container that it has ended, too.
pub fn write_json(path: &Path, record: &impl Serialize) -> Result<()> {
    let new = path.with_extension("new");
    let text = serde_json::to_string_pretty(record)? + "\n";
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // What went wrong first is worth telling.
        let _removed = fs::remove_file(&new);
    }
    written.with_context(|| path.display().to_string())
}

/// Reads a record; none if there is none.
///
/// # Errors
/// If it cannot be read, or is none; it is named.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    // As large as most are: std begins with 32 bytes.
    read_json_with(path, &mut Vec::with_capacity(4 << 10))
}

/// The same for who reads many: one buffer serves for all.
pub fn read_json_with<T: DeserializeOwned>(path: &Path, text: &mut Vec<u8>) -> Result<Option<T>> {
    let file = match File::open(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        file => file.with_context(|| path.display().to_string())?,
    };
    text.clear();
    file.take(LIMIT).read_to_end(text).with_context(|| path.display().to_string())?;
    let record = serde_json::from_slice(text).map_err(|error| {
        Failure::new(format!("{} is damaged: {error}", path.display()))
            .remedy("mend it by hand, or remove the directory that it is in")
    })?;
    Ok(Some(record))
}

/// What was to be removed may be gone already.
pub fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
