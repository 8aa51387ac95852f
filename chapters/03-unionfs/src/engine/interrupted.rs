//! Ctrl-C before a container runs. From when its start begins, signals are blocked, to be passed on to it:
//! what takes long until then has to look whether one has come (sigpending(2)).

use anyhow::Result;
use console::failure::Failure;
use kernel::signal::{self, Signal};

/// Those that ask a program to end.
const ENDING: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// Nothing, unless somebody does not want the container any more.
///
/// # Errors
/// If so, with the exit code of a program that the signal has ended.
pub(crate) fn refuse() -> Result<()> {
    let Some(signal) = signal::waiting(&ENDING) else { return Ok(()) };
    let failure = Failure::new(format!("stopped by {signal} before the command ran"));
    let failure =
        failure.remedy("run it again; --storage-driver overlay, where it can be, copies nothing");
    Err(failure.code(128 + signal as u8).into())
}
