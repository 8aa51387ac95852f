//! How a container has ended, as its shim writes it down, and the last that the shim does.

use crate::container::{Held, Record, State};
use crate::engine::live::{Live, Place};
use crate::engine::moment;
use crate::engine::output::Output;
use crate::engine::run::end_code;
use anyhow::Result;
use kernel::process::Exit;

/// How it ended, with what chapter 02 says if the kernel has killed in it; or why it could not be started.
pub fn state(ended: &Result<(Exit, Option<String>)>, live: &Live, never_ran: bool) -> State {
    let (exit_code, words) = match ended {
        Ok((exit, words)) => (exit.code(), words.clone()),
        Err(error) => (end_code(error), Some(format!("{error:#}"))),
    };
    let oom_killed = ended.is_ok() && words.is_some();
    let error = words.unwrap_or_default();
    if ended.is_err() && never_ran {
        return State { exit_code, error, ..State::default() };
    }
    State {
        exit_code,
        oom_killed,
        error,
        started_at: live.started_at.clone(),
        finished_at: moment::now(),
        restart_count: live.restart_count,
    }
}

/// Writes it down. On a disk that is full it is kept in memory, where whoever looks finds it.
pub fn write(held: &Held, place: &Place, state: &State) -> Result<()> {
    held.finish(state).or_else(|_| place.write_end(state))
}

/// Nothing of it is live any more; of one that was to be removed, nothing is left. Those who are
/// attached are told last: what they look at then is true.
pub fn let_go(
    held: Held,
    record: &Record,
    place: &Place,
    output: Output,
    state: &State,
) -> Result<()> {
    if place.read_end()?.is_none() {
        place.remove()?;
    }
    // LAB 03.4 kept: what is to be removed at its end goes now, and nothing else does
    if record.auto_remove {
        held.remove(Some(record))?;
    } else {
        drop(held);
    }
    output.end(state);
    Ok(())
}
