//! `signals` and `raise`: which signals arrive, and what they do (signal(7)).
//!
//! The kernel drops a signal to PID 1 of a namespace unless a handler waits for it, or it is
//! blocked; only SIGKILL and SIGSTOP from the parent namespace always work.

use core::fmt::Write;

use super::sys;
use super::text::Output;
use super::{Failure, at};

const TERM: i32 = 15;

const SIGNALS: [(i32, &str); 8] = [
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (10, "USR1"),
    (12, "USR2"),
    (TERM, "TERM"),
    (18, "CONT"),
    (28, "WINCH"),
];

/// Prints `ready`, then the name of each signal as it comes. TERM is the last, unless `stay`.
pub(crate) fn signals(stay: bool, out: &mut Output) -> Result<(), Failure> {
    let set = SIGNALS.iter().fold(0, |set, (number, _)| set | 1 << (number - 1));
    // Blocked signals wait until they are asked for: none is lost after `ready`, and no handler,
    // with its own rules about what it may do, is needed.
    sys::block_signals(set).map_err(at("rt_sigprocmask", c""))?;
    out.write_str("ready\n")?;
    out.flush()?;
    loop {
        let number = match sys::next_signal(set) {
            Ok(number) => number,
            // It was stopped and continued.
            Err(sys::Errno::EINTR) => continue,
            Err(errno) => return Err(at("rt_sigtimedwait", c"")(errno)),
        };
        if let Some((_, name)) = SIGNALS.iter().find(|(known, _)| *known == number) {
            writeln!(out, "{name}")?;
            out.flush()?;
        }
        if number == TERM && !stay {
            return Ok(());
        }
    }
}

/// Sends itself a signal. To come back from it is a failure for PID 1, and nothing strange for
/// others: many signals do nothing, or stop the process for a while.
pub(crate) fn raise(signal: i32) -> Result<(), Failure> {
    let own = sys::process_id();
    sys::kill(own, signal).map_err(at("kill", c""))?;
    if own == 1 { Err(Failure::Survived) } else { Ok(()) }
}
