//! `rm`: a container goes, with all that it has written. Its image stays.

use crate::engine::live::{self, Place};
use crate::engine::records;
use crate::engine::store::Store;
use crate::engine::words;
use anyhow::{Context, Result};
use cgroups::engine::stop;
use console::options::Global;
use kernel::process;
use kernel::signal::Signal;
use namespaces::engine::spaces;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long whoever ran a container may take to let go of it once it has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// Options of `rm`.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Kill it first, if it runs
    #[arg(short, long)]
    force: bool,
    /// Remove its anonymous volumes, too: in this chapter it has none
    #[arg(short, long)]
    volumes: bool,
    /// Name or id, or the beginning of an id
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

/// Removes containers; returns the exit code.
pub fn rm(options: &Options, global: &Global) -> Result<u8> {
    if options.force {
        // Before the lab box: from in there, who runs outside of it cannot be seen.
        let root = global.data_directory()?;
        options.containers.iter().try_for_each(|text| kill(&root, text))?;
    }
    let store = Store::enter(global)?;
    console::each(&options.containers, |text| {
        let record = match records::find(&store.root, text) {
            // As in Docker: what is gone is what was asked for.
            Err(error) if options.force && words::is_missing(&error) => return Ok(text.clone()),
            record => record?,
        };
        let directory = record.directory(&store.root);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(held) = live::hold(&store.root, &record)? {
                held.remove(Some(&record))?;
                return Ok(text.clone());
            }
            // Its command line may have removed it.
            if !directory.exists() {
                return Ok(text.clone());
            }
            if !options.force {
                return Err(words::is_running(text));
            }
            if Instant::now() > deadline {
                return Err(words::is_running(text)).context("it was killed, and is still held");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    })
}

/// Kills all processes of a container, if it runs.
fn kill(root: &Path, text: &str) -> Result<()> {
    let Ok(record) = records::find(root, text) else { return Ok(()) };
    if live::hold(root, &record)?.is_some() {
        return Ok(());
    }
    live::insist(root, &record, || {
        // Not to be started again.
        Place::of(root, &record.id).stop()?;
        if stop::signal_if_running(&record.id, Signal::SIGKILL as i32)? {
            return Ok(true);
        }
        // Where it could have no group, its processes are known by its mark alone.
        let mut any = false;
        for pid in spaces::processes()? {
            if spaces::container_of(pid).as_ref() == Some(&record.id)
                && let Ok(pidfd) = process::open(pid)
            {
                process::send_signal(pidfd, Signal::SIGKILL)?;
                any = true;
            }
        }
        Ok(any)
    })
}
