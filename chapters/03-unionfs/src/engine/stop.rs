//! `stop`, `kill`, `wait` and `rename`: chapter 02's, of containers that have a record.

use crate::container::{Held, Record};
use crate::engine::live::{self, Place, Status};
use crate::engine::store::Store;
use crate::engine::{attach, container_names, records, words};
use anyhow::Result;
use cgroups::engine::{names, stop};
use console::failure::Failure;
use console::options::Global;
use kernel::process;
use kernel::signal::Signal;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long whoever kept a container may take to write down how it ended.
const PATIENCE: Duration = Duration::from_secs(10);
/// From one look to the next.
const PAUSE: Duration = Duration::from_millis(5);
/// What `stop` waits before it kills.
const GRACE: i64 = 10;

/// Options of `stop` and `restart`.
#[derive(clap::Args, Debug)]
pub struct StopOptions {
    /// Signal to PID 1, by name or number [default: the container's, or SIGTERM]
    #[arg(short, long)]
    signal: Option<String>,
    /// Seconds to wait before everything is killed; -1 waits for ever [default: the container's, or 10]
    #[arg(short, long, visible_alias = "time", allow_negative_numbers = true)]
    timeout: Option<i64>,
    /// Name or id, or the beginning of an id
    #[arg(value_name = "CONTAINER", required = true)]
    pub(crate) containers: Vec<String>,
}

/// Options of `kill`.
#[derive(clap::Args, Debug)]
pub struct KillOptions {
    /// Signal to PID 1, by name or number; SIGKILL goes to every process
    #[arg(short, long, default_value = "SIGKILL")]
    signal: String,
    /// Name or id, or the beginning of an id
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

/// Options of `wait`.
#[derive(clap::Args, Debug)]
pub struct WaitOptions {
    /// Name or id, or the beginning of an id
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

/// Options of `rename`.
#[derive(clap::Args, Debug)]
pub struct RenameOptions {
    /// Name or id, or the beginning of an id
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// What to call it from now on
    #[arg(value_name = "NAME")]
    name: String,
}

/// Asks containers to end, and ends those that do not in time.
pub fn stop(options: &StopOptions, global: &Global) -> Result<u8> {
    let root = Store::outside(global)?.root;
    console::each(&options.containers, |text| {
        match records::find_or_none(&root, text)? {
            Some(record) => stop_one(&root, &record, options)?,
            // An earlier chapter's.
            None => {
                let signal = stop::number(options.signal.as_deref().unwrap_or("SIGTERM"))?;
                stop::stop_named(text, signal, options.timeout.unwrap_or(GRACE))?;
            }
        }
        Ok(text.clone())
    })
}

/// Ends one, unless it has ended. Nobody starts it again after that.
pub fn stop_one(root: &Path, record: &Record, options: &StopOptions) -> Result<()> {
    let settings = &record.settings;
    let signal = options.signal.as_deref().or(settings.stop_signal.as_deref());
    let signal = stop::number(signal.unwrap_or("SIGTERM"))?;
    let seconds = options.timeout.or(settings.stop_timeout).unwrap_or(GRACE);
    let (status, ..) = live::look(root, record)?;
    if matches!(status, Status::Created | Status::Exited) {
        return Ok(());
    }
    live::insist(root, record, || {
        Place::of(root, &record.id).stop()?;
        Ok(stop::stop_if_running(&record.id, signal, seconds)?
            // Without a group it is known by its mark alone.
            || end_by_mark(root, record, signal, seconds)?)
    })?;
    wait_until_let_go(root, record)
}

/// Says whether there was a process to end.
fn end_by_mark(root: &Path, record: &Record, signal: i32, seconds: i64) -> Result<bool> {
    let live = Place::of(root, &record.id).read()?.unwrap_or_default();
    let Some(pid) = live::first_process(record, &live) else { return Ok(false) };
    let Ok(pidfd) = process::open(pid) else { return Ok(false) };
    process::send_signal_number(&pidfd, signal)?;
    let wait = u16::try_from(seconds.saturating_mul(1000)).map_or(PollTimeout::MAX, Into::into);
    if !matches!(poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], wait), Ok(1)) {
        process::send_signal(&pidfd, Signal::SIGKILL)?;
    }
    Ok(true)
}

fn wait_until_let_go(root: &Path, record: &Record) -> Result<()> {
    let (directory, deadline) = (record.directory(root), Instant::now() + PATIENCE);
    while directory.exists() && Held::of(&directory)?.is_none() {
        if Instant::now() > deadline {
            let words = format!("container {} has ended, but somebody keeps it", record.name);
            let remedy = "see whether its command line is stopped (Ctrl-Z): `fg` lets it go on";
            return Err(Failure::new(words).remedy(remedy).into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Sends containers a signal; SIGKILL to all that is in them.
pub fn kill(options: &KillOptions, global: &Global) -> Result<u8> {
    let signal = stop::number(&options.signal)?;
    let root = Store::outside(global)?.root;
    console::each(&options.containers, |text| {
        let Some(record) = records::find_or_none(&root, text)? else {
            return stop::kill_named(text, signal).map(|()| text.clone());
        };
        if live::look(&root, &record)?.0 != Status::Running {
            return Err(words::not_running_to_kill(text, &record.id));
        }
        live::insist(&root, &record, || {
            let place = Place::of(&root, &record.id);
            if signal == Signal::SIGKILL as i32 {
                place.stop()?;
            }
            if stop::signal_if_running(&record.id, signal)? {
                return Ok(true);
            }
            let live = place.read()?.unwrap_or_default();
            let Some(pid) = live::first_process(&record, &live) else { return Ok(false) };
            process::send_signal_number(&process::open(pid)?, signal)?;
            Ok(true)
        })?;
        if signal == Signal::SIGKILL as i32 {
            wait_until_let_go(&root, &record)?;
        }
        Ok(text.clone())
    })
}

/// Waits for the end of containers, and prints their exit codes.
pub fn wait(options: &WaitOptions, global: &Global) -> Result<u8> {
    let root = Store::outside(global)?.root;
    console::each(&options.containers, |text| {
        let record = records::find(&root, text)?;
        // Of one that is removed at its end, its shim alone can say what that was.
        if record.auto_remove
            && let Ok(stream) = Place::of(&root, &record.id).connect()
        {
            return Ok(attach::wait(stream)?.to_string());
        }
        let mut before = None;
        loop {
            let (status, live, state) = live::look(&root, &record)?;
            if !record.directory(&root).exists() {
                // Only what was killed is removed while it runs, but for one that removes itself.
                return match record.auto_remove {
                    true => Err(words::no_such_container(text, Vec::new())),
                    false => Ok((128 + Signal::SIGKILL as u8).to_string()),
                };
            }
            let first = before.get_or_insert(live.restart_count);
            match status {
                // One that has never run has nothing to wait for, as in Docker.
                Status::Created | Status::Exited => return Ok(state.exit_code.to_string()),
                Status::Restarting => return Ok(live.exit_code.to_string()),
                Status::Running if live.restart_count > *first => {
                    return Ok(live.exit_code.to_string());
                }
                Status::Running => {}
            }
            std::thread::sleep(PAUSE);
        }
    })
}

/// Gives a container another name.
pub fn rename(options: &RenameOptions, global: &Global) -> Result<u8> {
    let store = Store::outside(global)?;
    names::check(&options.name)?;
    let found = records::find(&store.root, &options.container)?;
    let mut taken = None;
    let changed = records::change(&store.root, &found, |record| {
        if record.name == options.name {
            let words = "Renaming a container with the same name as its current name";
            return Err(Failure::new(words).remedy("choose another name").code(1).into());
        }
        record.name = options.name.clone();
        container_names::take(&store.root, record)?;
        taken = Some(record.clone());
        Ok(())
    });
    if let (Err(_), Some(new)) = (&changed, taken) {
        container_names::free(&store.root, &new)?;
    }
    let old = changed?;
    if old.name != old.id {
        container_names::free(&store.root, &old)?;
    }
    Ok(0)
}
