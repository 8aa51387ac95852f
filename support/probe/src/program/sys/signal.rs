//! Signals: sending, blocking, waiting (signal(7)). A set has bit n-1 for signal n.

use super::{Result, call, number};

/// The size of the kernel's signal set, in bytes.
const SET: usize = 8;

/// kill(2). Signal 0 only asks whether it could be sent.
pub(crate) fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: the arguments are numbers.
    unsafe { call(number::KILL, [pid as usize, signal as usize]) }.map(drop)
}

/// Adds to the blocked signals (rt_sigprocmask(2)).
pub(crate) fn block_signals(set: u64) -> Result<()> {
    const SIG_BLOCK: usize = 0;
    let arguments = [SIG_BLOCK, &raw const set as usize, 0, SET];
    // SAFETY: the kernel reads one set, and writes no old one.
    unsafe { call(number::RT_SIGPROCMASK, arguments) }.map(drop)
}

/// Waits for one of the signals and takes it (rt_sigtimedwait(2) without a time limit).
pub(crate) fn next_signal(set: u64) -> Result<i32> {
    // SAFETY: the kernel reads one set, and writes no details.
    let signal = unsafe { call(number::RT_SIGTIMEDWAIT, [&raw const set as usize, 0, 0, SET]) }?;
    Ok(signal as i32)
}
