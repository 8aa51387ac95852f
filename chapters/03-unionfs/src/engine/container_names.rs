//! Names of containers: each is a link to its container's directory, and making that link takes the name
//! (symlink(2)): of several at the same time, one succeeds.

use crate::container::Record;
use crate::engine::{files, records, scratch, words};
use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Takes the name of a container that has its record.
///
/// # Errors
/// If it is another container's.
pub(crate) fn take(root: &Path, record: &Record) -> Result<()> {
    while let Some(id) = try_take(root, record)? {
        if records::remove_if_left(&root.join("containers").join(&id))? {
            continue;
        }
        let alone = alone(root)?;
        if !free_if_left(&alone, root, &record.name)? {
            return Err(words::name_taken(&record.name, &id));
        }
    }
    Ok(())
}

/// Writes a container's record anew, and gives it the name that is in there. One at a time: of two
/// who change it, the second changes what the first has written.
///
/// # Errors
/// If the name is another container's, or the container is gone.
pub(crate) fn change(
    root: &Path,
    record: &Record,
    change: impl FnOnce(Record) -> Record,
) -> Result<()> {
    let alone = alone(root)?;
    let Some(old) = records::with_id(root, &record.id) else {
        return Err(words::no_such_container(&record.name, Vec::new()));
    };
    let new = change(old.clone());
    let is_renamed = new.name != old.name;
    while is_renamed && let Some(id) = try_take(root, &new)? {
        if !free_if_left(&alone, root, &new.name)? {
            return Err(words::name_taken(&new.name, &id));
        }
    }
    let written = files::write_json(&new.directory(root).join("config.json"), &new);
    if is_renamed {
        let unused = if written.is_ok() { &old } else { &new };
        free_of(&alone, root, unused)?;
    }
    written
}

/// Frees the name of a container that is gone.
pub(crate) fn free(root: &Path, record: &Record) -> Result<()> {
    free_of(&alone(root)?, root, record)
}

/// Makes the link; if there is one, it is left, and whose it is comes back.
fn try_take(root: &Path, record: &Record) -> Result<Option<String>> {
    let link = link(root, &record.name);
    loop {
        match symlink(Path::new("../containers").join(&record.id), &link) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                scratch::make_directory(&root.join("names"))?;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if let Some(id) = holder(root, &record.name) {
                    return Ok(Some(id));
                }
            }
            made => return made.map(|()| None).with_context(|| link.display().to_string()),
        }
    }
}

/// Removes a link that leads to nothing, or to a container that is called otherwise: whoever removed
/// or renamed that was killed before the link was removed. Says whether it was one.
fn free_if_left(_alone: &Flock<File>, root: &Path, name: &str) -> Result<bool> {
    let Some(id) = holder(root, name) else { return Ok(true) };
    let is_left = match records::with_id(root, &id) {
        Some(record) => record.name != name,
        // A record that is damaged keeps its name.
        None => !link(root, name).exists(),
    };
    if is_left {
        remove_link(root, name)?;
    }
    Ok(is_left)
}

fn free_of(_alone: &Flock<File>, root: &Path, record: &Record) -> Result<()> {
    let is_its =
        record.name != record.id && holder(root, &record.name).as_ref() == Some(&record.id);
    if is_its { remove_link(root, &record.name) } else { Ok(()) }
}

fn remove_link(root: &Path, name: &str) -> Result<()> {
    files::gone(fs::remove_file(link(root, name))).context("free a name")
}

/// The lock on all names, for whoever frees one or changes a record: between the look and the removal,
/// a name might become another's.
fn alone(root: &Path) -> Result<Flock<File>> {
    let names = root.join("names");
    loop {
        scratch::make_directory(&names)?;
        // While we waited, `clean` may have removed it.
        if let Some(lock) = scratch::lock(&names, FlockArg::LockExclusive)? {
            return Ok(lock);
        }
    }
}

/// The id of the container that a name leads to.
pub(crate) fn holder(root: &Path, name: &str) -> Option<String> {
    let target = fs::read_link(link(root, name)).ok()?;
    target.file_name()?.to_str().map(String::from)
}

fn link(root: &Path, name: &str) -> PathBuf {
    root.join("names").join(name)
}
