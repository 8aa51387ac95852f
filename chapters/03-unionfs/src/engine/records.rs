//! Which containers there are, and the one that somebody means.

use crate::container::{Held, Record};
use crate::engine::digest::is_prefix;
use crate::engine::{container_names, files, scratch, words};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// All containers: the records that can be read, and what is wrong with the others.
pub fn all(root: &Path) -> Result<(Vec<Record>, Vec<anyhow::Error>)> {
    let (mut records, mut errors) = (Vec::new(), Vec::new());
    for directory in scratch::entries(&root.join("containers"))? {
        match files::read_json(&directory.join("config.json")) {
            Ok(Some(record)) => records.push(record),
            // It is about to be made, or was killed while that was done; `clean` sees to it.
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    records.sort_by(|one: &Record, other| other.created.cmp(&one.created));
    Ok((records, errors))
}

fn config(root: &Path, id: &str) -> PathBuf {
    root.join("containers").join(id).join("config.json")
}

/// The container that is meant by a name, an id, or the beginning of one.
///
/// # Errors
/// In Docker's words: no such container; several whose ids begin so.
pub fn find(root: &Path, text: &str) -> Result<Record> {
    // By far most are meant by a whole name or id: the others need not be looked at.
    let id = container_names::holder(root, text).unwrap_or_else(|| text.into());
    if is_prefix(&id)
        && let Ok(Some(record)) = files::read_json::<Record>(&config(root, &id))
        && (record.name == text || record.id == text)
    {
        return Ok(record);
    }
    let (records, errors) = all(root)?;
    let exact = records.iter().find(|record| record.name == text || record.id == text);
    if let Some(record) = exact {
        return Ok(record.clone());
    }
    let mut begin = records.iter().filter(|r| !text.is_empty() && r.id.starts_with(text));
    match (begin.next(), begin.next()) {
        (Some(record), None) => Ok(record.clone()),
        (Some(_), Some(_)) => Err(words::ambiguous(text)),
        (None, _) => Err(words::no_such_container(text, errors)),
    }
}

/// The same; none if there is no such container here.
///
/// # Errors
/// If there are several whose ids begin so.
pub fn find_or_none(root: &Path, text: &str) -> Result<Option<Record>> {
    match find(root, text) {
        Err(error) if words::is_missing(&error) => Ok(None),
        found => found.map(Some),
    }
}

/// Removes the container in a directory, if it was to be removed at its end and whoever was to do that
/// was killed; says whether.
pub(crate) fn remove_if_left(directory: &Path) -> Result<bool> {
    let record: Option<Record> = files::read_json(&directory.join("config.json"))?;
    let Some(record) = record.filter(|record| record.auto_remove) else { return Ok(false) };
    let Some(held) = Held::of(directory)? else { return Ok(false) };
    held.remove(Some(&record)).map(|()| true)
}
