//! `pause` and `unpause`: the kernel stops every process of a group where it is, and none of them
//! can notice (admin-guide/cgroup-v2, "cgroup.freeze"; freezer-subsystem of version 1).

use crate::engine::find::{self, Finder};
use crate::engine::state;
use crate::group::Group;
use anyhow::Result;
use console::failure::Failure;
use std::time::{Duration, Instant};

/// How long the kernel may take to stop a process, which may be waiting for a disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// Names of containers.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Name or id, or the beginning of an id
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

/// Stops all processes of containers where they are.
pub fn pause(options: &Options, finder: &impl Finder) -> Result<u8> {
    console::each(&options.containers, |name| {
        let container = finder.container(name)?;
        if state::is_frozen(&container.group) {
            let words = format!("Container {} is already paused", container.id);
            return Err(Failure::new(words).into());
        }
        if let Err(error) = freeze(&container.group, true) {
            // Half of it frozen would be neither; the first failure is the one to tell.
            let _thawed = freeze(&container.group, false);
            return Err(find::not_ours(name, error));
        }
        Ok(name.clone())
    })
}

/// Lets all processes of containers go on.
pub fn unpause(options: &Options, finder: &impl Finder) -> Result<u8> {
    console::each(&options.containers, |name| {
        let container = finder.container(name)?;
        if !state::is_frozen(&container.group) {
            return Err(Failure::new(format!("Container {} is not paused", container.id)).into());
        }
        freeze(&container.group, false).map_err(|error| find::not_ours(name, error))?;
        Ok(name.clone())
    })
}

/// Freezes a group, or thaws it, and waits until the kernel says that it is done.
pub fn freeze(group: &Group, frozen: bool) -> Result<()> {
    let Some(core) = group.places.first() else { return Ok(()) };
    let (title, why) = match frozen {
        true => ("stop every process of the group", "where it is; it cannot notice, nor evade"),
        false => ("let every process of the group go on", "signals that came meanwhile arrive now"),
    };
    kernel::explain::heading("parent", title, why);
    core.freeze(frozen)?;
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(50);
    while state::is_frozen(group) != frozen {
        // It has ended meanwhile: then it is as still as can be.
        if !core.directory.exists() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let (what, directory) = (if frozen { "stop" } else { "go on" }, &core.directory);
            let seconds = PATIENCE.as_secs();
            let words = format!("{} does not {what} within {seconds} s", directory.display());
            let remedy = "a process may be waiting for a device, or a group above is frozen";
            return Err(Failure::new(words).remedy(remedy).into());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
    Ok(())
}
