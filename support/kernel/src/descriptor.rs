//! Descriptors: what is open when a program is executed stays open in it, unless it is closed or
//! marked (close_range(2), fcntl(2)).

use crate::error::Result;
use crate::explain::call;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Takes the new descriptor that a raw system call has returned, or its error.
pub(crate) fn take_new(result: libc::c_long) -> nix::Result<OwnedFd> {
    let fd = Errno::result(result)? as RawFd;
    // SAFETY: callers pass on what a call that makes a descriptor returned: nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A pipe whose ends are closed on exec: reading end, writing end.
pub fn pipe() -> nix::Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC)
}

/// Closes every descriptor above 2 except `kept`, which close by themselves on exec. Descriptors
/// that the caller of the command line had open are among the closed.
pub fn close_all_except(kept: &[BorrowedFd]) -> Result<()> {
    let mut kept: Vec<u32> = kept.iter().map(|fd| fd.as_raw_fd() as u32).collect();
    kept.sort_unstable();
    let mut first = 3;
    for kept in kept {
        if first < kept {
            close_range(first, kept - 1)?;
        }
        first = kept + 1;
    }
    close_range(first, u32::MAX)
}

fn close_range(first: u32, last: u32) -> Result<()> {
    call(
        "close_range",
        || format!("{first}, {last}, 0"),
        // SAFETY: whoever owned one of these descriptors does not use it again: what follows in
        // this process is an exec or its end.
        || Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop),
    )
}

/// Makes `standard` (0, 1 or 2) another name of `fd`.
pub fn become_standard(fd: impl AsFd, standard: i32) -> nix::Result<()> {
    // SAFETY: 0, 1 and 2 are owned by nobody in particular; replacing them is what dup2 is for.
    Errno::result(unsafe { libc::dup2(fd.as_fd().as_raw_fd(), standard) }).map(drop)
}

/// Whether nobody holds the other end of a pipe any more: its reader, if this is the end to write
/// into, otherwise its last writer.
pub fn other_end_is_gone(pipe: impl AsFd) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    // Asked for nothing, poll still tells of errors and of the end.
    let mut ends = [PollFd::new(pipe.as_fd(), PollFlags::empty())];
    matches!(poll(&mut ends, PollTimeout::ZERO), Ok(1..))
}
