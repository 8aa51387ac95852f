//! `rm`: a container goes, with all that it has written. Its image stays.

use crate::container::Held;
use crate::engine::records;
use crate::engine::store::Store;
use crate::engine::words;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// How long whoever ran a container may take to let go of it once it has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// Options of `rm`.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Kill it first, if it runs
    #[arg(short, long)]
    force: bool,
    /// Name or id, or the beginning of an id
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

/// Removes containers; returns the exit code.
pub fn rm(options: &Options, store: &Store) -> Result<u8> {
    console::each(&options.containers, |text| {
        let record = match records::find(&store.root, text) {
            // As in Docker: what is gone is what was asked for.
            Err(error) if options.force && words::is_missing(&error) => return Ok(text.clone()),
            record => record?,
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(held) = Held::of(&record.directory(&store.root))? {
                held.remove(Some(&record))?;
                return Ok(text.clone());
            }
            if !record.directory(&store.root).exists() {
                return Ok(text.clone());
            }
            if !options.force {
                return Err(words::is_running(text));
            }
            if Instant::now() > deadline {
                return Err(words::is_running(text)).context("it was killed, and is still held");
            }
            cgroups::engine::stop::kill_if_running(&record.id)?;
            std::thread::sleep(Duration::from_millis(1));
        }
    })
}
