//! Processes: their making, end, groups, memory and time.

use core::time::Duration;

use super::{Result, call, number};

/// Ends the process, all of it.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: the argument is a number.
    let _ = unsafe { call(number::EXIT_GROUP, [code as usize]) };
    unreachable!("exit_group does not return")
}

/// Which of the two processes this is after a fork.
pub(crate) enum Fork {
    Parent(i32),
    Child,
}

/// fork(2), by the call that both architectures have.
pub(crate) fn fork() -> Result<Fork> {
    const SIGCHLD: usize = 17;
    // SAFETY: without CLONE_VM the child has a copy of everything, and goes on with its own stack.
    // There are no threads whose locks could be copied in a held state.
    let pid = unsafe { call(number::CLONE, [SIGCHLD, 0, 0, 0, 0]) }?;
    Ok(if pid == 0 { Fork::Child } else { Fork::Parent(pid as i32) })
}

/// Waits for a child, or with -1 for any; returns its exit code, 128 and the signal if one
/// ended it.
pub(crate) fn wait(pid: i32) -> Result<i32> {
    let mut status = 0_i32;
    // SAFETY: the kernel writes one number.
    unsafe { call(number::WAIT4, [pid as usize, &raw mut status as usize, 0, 0]) }?;
    let signal = status & 0x7f;
    Ok(if signal == 0 { status >> 8 & 0xff } else { 128 + signal })
}

/// setpgid(2): a new process group, with this process's id.
pub(crate) fn lead_process_group() -> Result<()> {
    // SAFETY: the arguments are numbers.
    unsafe { call(number::SETPGID, [0, 0]) }.map(drop)
}

/// setsid(2): a new session and process group, with this process's id and without a terminal.
pub(crate) fn lead_session() -> Result<()> {
    // SAFETY: the call has no arguments.
    unsafe { call(number::SETSID, []) }.map(drop)
}

/// PTRACE_SEIZE: attaches without stopping the process.
pub(crate) fn seize(pid: i32) -> Result<()> {
    const PTRACE_SEIZE: usize = 0x4206;
    // SAFETY: the arguments are numbers.
    unsafe { call(number::PTRACE, [PTRACE_SEIZE, pid as usize, 0, 0]) }.map(drop)
}

/// mmap(2): private memory, zero and not yet there.
pub(crate) fn map_memory(bytes: usize) -> Result<&'static mut [u8]> {
    const PROT_READ_WRITE: usize = 1 | 2;
    // NORESERVE: the limit under test must say no, not the kernel's guess about overcommitment.
    const MAP_PRIVATE_ANONYMOUS_NORESERVE: usize = 0x2 | 0x20 | 0x4000;
    let arguments = [0, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, usize::MAX, 0];
    // SAFETY: the kernel chooses a place that nothing else uses.
    let address = unsafe { call(number::MMAP, arguments) }?;
    // SAFETY: the place has that many bytes, all zero, and is never unmapped.
    Ok(unsafe { core::slice::from_raw_parts_mut(address as *mut u8, bytes) })
}

/// nanosleep(2). A process that is stopped and continued sleeps on.
pub(crate) fn sleep(seconds: i64, nanoseconds: i64) -> Result<()> {
    let time = [seconds, nanoseconds];
    // SAFETY: the kernel reads a `timespec`, two numbers.
    unsafe { call(number::NANOSLEEP, [time.as_ptr() as usize, 0]) }.map(drop)
}

/// The time since some fixed moment (CLOCK_MONOTONIC, clock_gettime(2)).
pub(crate) fn now() -> Duration {
    const CLOCK_MONOTONIC: usize = 1;
    let mut time = [0_u64; 2];
    // SAFETY: the kernel writes a `timespec`, two numbers. It knows this clock, so it cannot fail.
    let _ = unsafe { call(number::CLOCK_GETTIME, [CLOCK_MONOTONIC, time.as_mut_ptr() as usize]) };
    Duration::new(time[0], time[1] as u32)
}

/// reboot(2) with LINUX_REBOOT_CMD_RESTART: the machine starts anew, without syncing its disks. The
/// init of a PID namespace ends that namespace instead.
pub(crate) fn restart() -> Result<()> {
    const MAGIC: [usize; 2] = [0xfee1_dead, 672_274_793];
    const RESTART: usize = 0x0123_4567;
    // SAFETY: the arguments are numbers.
    unsafe { call(number::REBOOT, [MAGIC[0], MAGIC[1], RESTART, 0]) }.map(drop)
}
