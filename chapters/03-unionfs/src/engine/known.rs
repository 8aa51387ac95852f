//! From what somebody calls a container to what chapter 02 finds it by: a record knows its name now, a
//! group the one that it had when it was started.

use crate::engine::live::{self, Place, Status};
use crate::engine::records;
use anyhow::Result;
use cgroups::engine::find;
use console::failure::Failure;
use std::path::Path;

/// The process to join for `exec`.
///
/// # Errors
/// If the container does not run.
pub fn to_join(root: &Path, text: &str) -> Result<i32> {
    let Some(record) = records::find_or_none(root, text)? else { return find::to_join(text) };
    match live::look(root, &record)?.0 {
        Status::Running => {
            let live = Place::of(root, &record.id).read()?.unwrap_or_default();
            match live::first_process(&record, &live) {
                Some(pid) => find::to_join_process(pid, text),
                None => find::to_join(&record.id),
            }
        }
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

/// These names, as chapter 02 knows them.
pub fn ids(root: &Path, texts: &mut [String]) -> Result<()> {
    for text in texts {
        if let Some(record) = records::find_or_none(root, text)? {
            *text = record.id;
        }
    }
    Ok(())
}
