//! Pseudoterminals (pty(7), devpts): a pair of descriptors, one of which the container takes for
//! its terminal while we hold the other.

use crate::descriptor::take_new;
use crate::error::Result;
use crate::explain::call;
use nix::errno::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// A new pseudoterminal.
#[derive(Debug)]
pub struct Pty {
    /// Our end.
    pub master: OwnedFd,
    /// The container's end.
    pub slave: OwnedFd,
}

/// Makes a pseudoterminal in the devpts file system that `ptmx` was opened in, so that its name
/// there, /dev/pts/N, is the one the container sees.
pub fn make_pty(ptmx: OwnedFd) -> Result<Pty> {
    let unlocked: libc::c_int = 0;
    call(
        "ioctl",
        || format!("{}, TIOCSPTLCK, [0]", ptmx.as_raw_fd()),
        || {
            // SAFETY: TIOCSPTLCK reads an int.
            let done = unsafe { libc::ioctl(ptmx.as_raw_fd(), libc::TIOCSPTLCK, &unlocked) };
            Errno::result(done).map(drop)
        },
    )?;
    let how = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // Opening the peer by its master needs no name, which could be another file's by now.
    let slave = call(
        "ioctl",
        || format!("{}, TIOCGPTPEER, O_RDWR|O_NOCTTY|O_CLOEXEC", ptmx.as_raw_fd()),
        // SAFETY: TIOCGPTPEER takes open flags.
        || take_new(unsafe { libc::ioctl(ptmx.as_raw_fd(), libc::TIOCGPTPEER, how) }.into()),
    )?;
    Ok(Pty { master: ptmx, slave })
}

/// Makes a terminal the controlling one of this session: Ctrl-C in it reaches our processes.
pub fn take_control(terminal: impl AsFd) -> Result<()> {
    let fd = terminal.as_fd().as_raw_fd();
    call(
        "ioctl",
        || format!("{fd}, TIOCSCTTY, 0"),
        // SAFETY: TIOCSCTTY takes an integer.
        || Errno::result(unsafe { libc::ioctl(fd, libc::TIOCSCTTY, 0) }).map(drop),
    )
}

/// Copies the window size of one terminal to another. One without a size (not a terminal any
/// more) leaves the other as it is.
pub fn copy_size(from: BorrowedFd, to: BorrowedFd) {
    // SAFETY: all-zero is a valid winsize.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: TIOCGWINSZ writes a winsize.
    if unsafe { libc::ioctl(from.as_raw_fd(), libc::TIOCGWINSZ, &mut size) } == 0 {
        // SAFETY: TIOCSWINSZ reads a winsize. A failure leaves the old size, which is harmless.
        unsafe { libc::ioctl(to.as_raw_fd(), libc::TIOCSWINSZ, &size) };
    }
}

/// The rows and columns of a terminal; none if it is none, or has no size.
pub fn size(terminal: BorrowedFd) -> Option<(u16, u16)> {
    // SAFETY: all-zero is a valid winsize.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: TIOCGWINSZ writes a winsize.
    let asked = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &mut size) };
    (asked == 0 && size.ws_row > 0).then_some((size.ws_row, size.ws_col))
}

/// Sets them. What is no terminal stays as it is.
pub fn set_size(terminal: BorrowedFd, rows: u16, columns: u16) {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads a winsize.
    unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &size) };
}
