//! `stop` and `kill`: a signal goes to a container's PID 1, as it knows how to end what it has
//! started. The last word, SIGKILL, goes to the whole group as one: none can evade it by forking,
//! by a session of its own, or by being frozen.

use crate::engine::claim::{self, Lock};
use crate::engine::find::{self, Container};
use crate::engine::pause;
use crate::engine::state;
use anyhow::Result;
use console::failure::Failure;
use kernel::signal::{self, Signal};
use kernel::{Errno, process};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// How long whoever minds a group may take to remove it, after everything in it has been killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// From one look to the next, at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Options of `stop`.
#[derive(clap::Args, Debug)]
pub struct StopOptions {
    /// Signal to PID 1, by name or number
    #[arg(short, long, default_value = "SIGTERM")]
    signal: String,
    /// Seconds to wait before everything is killed; -1 waits for ever
    #[arg(
        short,
        long,
        visible_alias = "time",
        default_value_t = 10,
        allow_negative_numbers = true
    )]
    timeout: i64,
    /// Name or id, or the beginning of an id
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
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

/// The number of a signal that somebody names.
pub fn number(text: &str) -> Result<i32> {
    let invalid = || Failure::new(format!("invalid signal: {text}"));
    let remedy = "`kill -l` lists their names: TERM or SIGTERM, or 15; and RTMIN+3";
    signal::number(text).ok_or_else(|| invalid().remedy(remedy).into())
}

/// Asks containers to end, and ends those that do not in time.
pub fn stop(options: &StopOptions) -> Result<u8> {
    let signal = number(&options.signal)?;
    console::each(&options.containers, |name| {
        stop_named(name, signal, options.timeout).map(|()| name.clone())
    })
}

/// Asks one to end, and ends it if it does not in time.
pub fn stop_named(name: &str, signal: i32, seconds: i64) -> Result<()> {
    match stop_if_running(name, signal, seconds)? {
        true => Ok(()),
        false => find::container(name).map(drop),
    }
}

/// The same, if it runs; says whether it did.
pub fn stop_if_running(name: &str, signal: i32, seconds: i64) -> Result<bool> {
    let Some(container) = find::optional(name)? else { return Ok(false) };
    // Negative: for ever.
    let wait = u64::try_from(seconds).ok().map(Duration::from_secs);
    let ended = stop_one(&container, signal, wait);
    ended.map_err(|error| find::not_ours(name, error)).map(|()| true)
}

fn stop_one(container: &Container, signal: i32, wait: Option<Duration>) -> Result<()> {
    if signal != Signal::SIGKILL as i32 {
        let (pidfd, inode) = (open(container)?, inode(container));
        send(container, &pidfd, signal)?;
        if has_ended(&pidfd, wait)? {
            return wait_until_gone(container, inode);
        }
    }
    kill_all(container)
}

/// Sends containers a signal.
pub fn kill(options: &KillOptions) -> Result<u8> {
    let signal = number(&options.signal)?;
    console::each(&options.containers, |name| kill_named(name, signal).map(|()| name.clone()))
}

/// Sends one a signal.
pub fn kill_named(name: &str, signal: i32) -> Result<()> {
    match signal_if_running(name, signal)? {
        true => Ok(()),
        false => find::container(name).map(drop),
    }
}

/// The same, if it runs; says whether it does.
pub fn signal_if_running(name: &str, signal: i32) -> Result<bool> {
    let Some(container) = find::optional(name)? else { return Ok(false) };
    let sent = if signal == Signal::SIGKILL as i32 {
        kill_all(&container)
    } else {
        open(&container).and_then(|pidfd| send(&container, &pidfd, signal))
    };
    sent.map_err(|error| find::not_ours(name, error)).map(|()| true)
}

fn kill_all(container: &Container) -> Result<()> {
    let inode = inode(container);
    let why = "all of it as one: whoever forks, leaves its session or is frozen dies, too";
    kernel::explain::heading("parent", "kill every process of the group", why);
    container.group.kill()?;
    wait_until_gone(container, inode)
}

/// A descriptor for PID 1: its number may be used again as soon as it has ended.
fn open(container: &Container) -> Result<OwnedFd> {
    process::open(container.pid).map_err(|error| match error.errno {
        Errno::ESRCH => Failure::new(format!("container {} is not running", container.id)).into(),
        _ => error.into(),
    })
}

/// Sends PID 1 a signal. What is frozen cannot receive it, and goes on, as in Docker.
fn send(container: &Container, pidfd: &OwnedFd, number: i32) -> Result<()> {
    let title = format!("send {} to PID 1", signal::name(number));
    let why = "it decides what comes of it; the kernel drops one for which it has no handler";
    kernel::explain::heading("parent", &title, why);
    process::send_signal_number(pidfd, number)?;
    if state::is_frozen(&container.group) {
        pause::freeze(&container.group, false)?;
    }
    Ok(())
}

/// Waits for a process's end; false if it takes longer.
fn has_ended(pidfd: &OwnedFd, longest: Option<Duration>) -> Result<bool> {
    let deadline = longest.and_then(|longest| Instant::now().checked_add(longest));
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // Rounded up, or the last millisecond would be spent asking.
        let wait = left.map(|left| left.as_micros().div_ceil(1000));
        let wait = wait.map_or(PollTimeout::NONE, |wait| {
            PollTimeout::try_from(wait.min(i32::MAX as u128) as i32).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], wait) {
            Err(Errno::EINTR) => {}
            Ok(0) if left.is_none_or(|left| left.is_zero()) => return Ok(false),
            Ok(0) => {}
            ended => return Ok(ended? > 0),
        }
    }
}

/// What tells a container's group from a later one of the same name.
fn inode(container: &Container) -> Option<u64> {
    let directory = &container.group.places.first()?.directory;
    fs::metadata(directory).ok().map(|found| found.ino())
}

/// Waits until whoever minds the group has removed it, or removes it, if nobody does.
fn wait_until_gone(container: &Container, before: Option<u64>) -> Result<()> {
    let Some(core) = container.group.places.first() else { return Ok(()) };
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(200);
    while before.is_some() && inode(container) == before {
        // Processes that share the host's numbers outlive PID 1 for as long as nobody kills them.
        if let Lock::Ours(_lock) = claim::try_lock(&core.directory)? {
            // Not a later one of the same name.
            if inode(container) != before {
                return Ok(());
            }
            container.group.kill()?;
            return container.group.remove();
        }
        if Instant::now() > deadline {
            let directory = core.directory.display();
            let words = format!("the container has ended, but its command line keeps {directory}");
            let remedy = "see whether that is stopped (Ctrl-Z): `fg` lets it go on, Ctrl-C ends it";
            return Err(Failure::new(words).remedy(remedy).into());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
        // What a process forked while version 1 killed one after the other may have been missed.
        if pause == LONGEST_PAUSE && !container.group.processes().is_empty() {
            container.group.kill()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_runs_has_not_ended() {
        let pidfd = process::open(kernel::Pid::this()).unwrap();
        assert!(!has_ended(&pidfd, Some(Duration::ZERO)).unwrap());
        assert!(!has_ended(&pidfd, Some(Duration::from_millis(2))).unwrap());
    }

    #[test]
    fn a_process_that_has_ended_is_told() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pidfd = process::open(kernel::Pid::from_raw(child.id() as i32)).unwrap();
        assert!(has_ended(&pidfd, None).unwrap());
        child.wait().unwrap();
    }
}
