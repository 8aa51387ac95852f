//! From what somebody calls a container to what chapter 02 finds it by: a record knows its name now, a
//! group the one that it had when it was started.

use crate::container::Record;
use crate::engine::live::{self, Place, Status};
use crate::engine::{records, words};
use anyhow::Result;
use cgroups::engine::find::{self, Container, Finder};
use console::failure::Failure;
use kernel::Pid;
use namespaces::engine::spaces;
use std::path::{Path, PathBuf};

/// The process to join for `exec`.
///
/// # Errors
/// If the container does not run.
pub fn to_join(root: &Path, text: &str) -> Result<i32> {
    let found = records::find_or_none(root, text);
    let record = match number(text) {
        // One in a container it is before it is the beginning of an id.
        Some(pid) if pid <= 0 || spaces::container_of(Pid::from_raw(pid)).is_some() => {
            found.ok().flatten().filter(|record| record.is_called(text))
        }
        _ => found?,
    };
    let Some(record) = record else {
        refuse_if_renamed(root, text)?;
        return find::to_join(text);
    };
    refuse_unless_running(root, &record, text)?;
    let live = Place::of(root, &record.id).read()?.unwrap_or_default();
    match live::first_process(&record, &live) {
        Some(pid) => find::to_join_process(pid, text),
        None => find::to_join(&record.id),
    }
}

/// The number that a text is, as one writes it: a process may be meant.
pub fn number(text: &str) -> Option<i32> {
    text.parse().ok().filter(|number: &i32| number.to_string() == text)
}

/// Containers by their records, and those of earlier chapters by their groups.
pub struct ByRecord {
    /// Where the records are.
    pub root: PathBuf,
}

impl Finder for ByRecord {
    fn all(&self) -> Result<Vec<Container>> {
        let named = |container: Container| match records::with_id(&self.root, &container.id) {
            Some(record) => Container { name: record.name, ..container },
            None => container,
        };
        Ok(find::all()?.into_iter().map(named).collect())
    }

    fn container(&self, text: &str) -> Result<Container> {
        let Some(record) = records::find_or_none(&self.root, text)? else {
            refuse_if_renamed(&self.root, text)?;
            return find::container(text);
        };
        refuse_unless_running(&self.root, &record, text)?;
        let container = find::optional(&record.id)?.ok_or_else(|| without_group(&record))?;
        Ok(Container { name: record.name, ..container })
    }
}

/// What no record is called, a container's group may still be.
///
/// # Errors
/// If that container has a record.
fn refuse_if_renamed(root: &Path, text: &str) -> Result<()> {
    match find::optional(text)? {
        Some(container) if records::has(root, &container.id) => {
            Err(words::no_such_container(text, Vec::new()))
        }
        _ => Ok(()),
    }
}

/// # Errors
/// In Docker's words, if a container does not run.
fn refuse_unless_running(root: &Path, record: &Record, text: &str) -> Result<()> {
    match live::look(root, record)?.0 {
        Status::Running => Ok(()),
        Status::Restarting => {
            let words = format!(
                "Container {} is restarting, wait until the container is running",
                record.id
            );
            Err(Failure::new(words).remedy("`logs` shows why it ends").code(1).into())
        }
        Status::Created | Status::Exited => {
            let failure = Failure::new(format!("container {} is not running", record.id));
            Err(failure.remedy(format!("`start {text}`")).code(1).into())
        }
    }
}

fn without_group(record: &Record) -> anyhow::Error {
    let failure = Failure::new(format!("container {} has no control group of ours", record.name));
    failure.remedy("`doctor` says what is missing for one").code(1).into()
}
