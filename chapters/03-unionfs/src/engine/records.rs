//! Which containers there are, and the one that somebody means.

use crate::container::{Held, Record, State};
use crate::engine::digest::is_prefix;
use crate::engine::{container_names, files, scratch, words};
use anyhow::{Context, Result};
use nix::fcntl::FlockArg;
use std::path::{Path, PathBuf};

/// All containers: the records that can be read, and what is wrong with the others.
pub fn all(root: &Path) -> Result<(Vec<Record>, Vec<anyhow::Error>)> {
    let (mut records, errors) = read(root, of)?;
    records.sort_by(|one: &Record, other| other.created.cmp(&one.created));
    Ok((records, errors))
}

/// A container's record, and how it ended.
type Written = (Box<Record>, Option<State>);

/// The same with how they ended, in no order.
pub fn all_with_states(root: &Path) -> Result<(Vec<Written>, Vec<anyhow::Error>)> {
    read(root, |directory, buffer| {
        // Of one that is removed meanwhile, what is read last is missing.
        let state = files::read_json_with(&directory.join("state.json"), buffer)?;
        Ok(of(directory, buffer)?.map(|record| (Box::new(record), state)))
    })
}

fn read<T>(
    root: &Path,
    read: impl Fn(&Path, &mut Vec<u8>) -> Result<Option<T>>,
) -> Result<(Vec<T>, Vec<anyhow::Error>)> {
    let (mut all, mut errors, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
    for directory in scratch::entries(&root.join("containers"))? {
        match read(&directory, &mut buffer) {
            // None: it is about to be made, or was killed while that was done; `clean` sees to it.
            Ok(read) => all.extend(read),
            Err(error) => errors.push(error),
        }
    }
    Ok((all, errors))
}

fn of(directory: &Path, buffer: &mut Vec<u8>) -> Result<Option<Record>> {
    files::read_json_with(&directory.join("config.json"), buffer)
}

impl Record {
    /// Whether this is its name or its id.
    pub fn is_called(&self, text: &str) -> bool {
        self.name == text || self.id == text
    }
}

/// Whether a container has a record here.
pub fn has(root: &Path, id: &str) -> bool {
    root.join("containers").join(id).exists()
}

/// The record of the container with this id, if it can be read.
pub fn with_id(root: &Path, id: &str) -> Option<Record> {
    files::read_json(&root.join("containers").join(id).join("config.json")).ok().flatten()
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
    let exact = records.iter().find(|record| record.is_called(text));
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

/// Changes a record as it is by now, one at a time: several files are never put in its place at once, and
/// nobody's change is lost. Returns what it was.
pub(crate) fn change(
    root: &Path,
    record: &Record,
    change: impl FnOnce(&mut Record) -> Result<()>,
) -> Result<Record> {
    let gone = || words::no_such_container(&record.name, Vec::new());
    let all = root.join("containers");
    let _alone = scratch::lock(&all, FlockArg::LockExclusive)?.ok_or_else(gone)?;
    let path = config(root, &record.id);
    let old: Record = files::read_json(&path)?.ok_or_else(gone)?;
    let mut new = old.clone();
    change(&mut new)?;
    let written = files::write_json(&path, &new);
    written.with_context(|| format!("what container {} is to be", record.name))?;
    Ok(old)
}

/// A record as it is now: `rename` and `update` write it anew. If it cannot be read, as it was.
pub(crate) fn again(root: &Path, record: &Record) -> Record {
    with_id(root, &record.id).unwrap_or_else(|| record.clone())
}

/// Removes the container in a directory, if it was to be removed at its end and whoever was to do that
/// was killed; says whether.
pub(crate) fn remove_if_left(directory: &Path) -> Result<bool> {
    let record: Option<Record> = files::read_json(&directory.join("config.json"))?;
    let Some(record) = record.filter(|record| record.auto_remove) else { return Ok(false) };
    let Some(held) = Held::of(directory)? else { return Ok(false) };
    let state: Option<State> = files::read_json(&directory.join("state.json"))?;
    if state.is_some_and(|state| state.started_at.is_empty()) {
        // It was made, and is yet to be started.
        return Ok(false);
    }
    held.remove(Some(&record)).map(|()| true)
}
