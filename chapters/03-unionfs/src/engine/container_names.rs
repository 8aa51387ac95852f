//! Names of containers: each is a link to its container's directory, and making that link takes the name
//! (symlink(2)): of several at the same time, one succeeds.

use crate::container::Record;
use crate::engine::{files, records, scratch, words};
use anyhow::{Context, Result};
use nix::fcntl::FlockArg;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Takes a container's name.
///
/// # Errors
/// If it is another container's.
pub(crate) fn take(root: &Path, record: &Record) -> Result<()> {
    let link = link(root, &record.name);
    loop {
        match symlink(Path::new("../containers").join(&record.id), &link) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                scratch::make_directory(&root.join("names"))?;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if let Some(id) = holder(root, &record.name).filter(|_| link.exists()) {
                    if records::remove_if_left(&root.join("containers").join(&id))? {
                        continue;
                    }
                    return Err(words::name_taken(&record.name, &id));
                }
                // Whoever removed its container was killed before the link was removed.
                free_if(root, &record.name, || !link.exists())?;
            }
            made => return made.with_context(|| link.display().to_string()),
        }
    }
}

/// Frees the name of a container that is gone.
pub(crate) fn free(root: &Path, record: &Record) -> Result<()> {
    free_if(root, &record.name, || holder(root, &record.name).as_ref() == Some(&record.id))
}

/// One at a time: between the look and the removal, the name might become another's.
fn free_if(root: &Path, name: &str, condition: impl Fn() -> bool) -> Result<()> {
    let Some(_alone) = scratch::lock(&root.join("names"), FlockArg::LockExclusive)? else {
        return Ok(());
    };
    if condition() {
        files::gone(fs::remove_file(link(root, name))).context("free a name")?;
    }
    Ok(())
}

/// The id of the container that a name leads to.
pub(crate) fn holder(root: &Path, name: &str) -> Option<String> {
    let target = fs::read_link(link(root, name)).ok()?;
    target.file_name()?.to_str().map(String::from)
}

fn link(root: &Path, name: &str) -> PathBuf {
    root.join("names").join(name)
}
