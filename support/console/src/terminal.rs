//! Our own terminal while a container uses it: raw, so that every key reaches the container, and
//! given back as it was, whatever we die of (termios(3)).

use anyhow::{Context, Result};
use kernel::process::{self, Child, Cloned};
use kernel::signal::Signal;
use nix::sys::termios::{self, SetArg, Termios};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A second process that outlives a crash or a kill -9 of this one: it then puts the terminal
/// right and ends the process that used it. Dropped, it ends, and the terminal is put right.
pub struct Keeper {
    terminal: OwnedFd,
    saved: Termios,
    process: Child,
    /// Open as long as we live: the keeper waits for its end.
    alive: Option<OwnedFd>,
}

impl Keeper {
    /// Remembers how the terminal is now, on behalf of the process behind `user`.
    pub fn start(terminal: OwnedFd, user: impl AsFd) -> Result<Keeper> {
        let saved = termios::tcgetattr(&terminal).context("read the terminal's settings")?;
        let (parent, alive) = kernel::descriptor::pipe().context("pipe")?;
        kernel::explain::heading(
            "parent",
            "make a keeper for the terminal",
            "if this process is killed, somebody must put the terminal right",
        );
        let process = match process::clone(&[])? {
            Cloned::Parent(process) => process,
            Cloned::Child => {
                keep(&terminal, &saved, &parent, user.as_fd());
                process::exit(0);
            }
        };
        Ok(Keeper { terminal, saved, process, alive: Some(alive) })
    }

    /// Makes the terminal raw until the keeper is dropped.
    pub fn make_raw(&self) -> Result<()> {
        let mut raw = self.saved.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(&self.terminal, SetArg::TCSANOW, &raw).context("make the terminal raw")
    }
}

/// Waits until the parent is gone, or has put the terminal right itself.
fn keep(terminal: &OwnedFd, saved: &Termios, parent: &OwnedFd, user: BorrowedFd) {
    // What else the parent has open must not stay open with us: others wait for its end.
    let mut kept = kernel::explain::descriptors();
    kept.extend([terminal.as_fd(), parent.as_fd(), user]);
    // In a session of its own, signals for our process group do not reach it, and a change of
    // settings by a process in the background is not stopped by SIGTTOU.
    if kernel::descriptor::close_all_except(&kept).is_err() || process::new_session().is_err() {
        return;
    }
    let mut word = [0u8; 1];
    loop {
        match nix::unistd::read(parent, &mut word) {
            Err(kernel::Errno::EINTR) => continue,
            Ok(1) => return,
            Ok(_) | Err(_) => break,
        }
    }
    // Nobody is left to tell if one of these fails; the other is tried all the same.
    let _ended = process::send_signal(user, Signal::SIGKILL);
    let _restored = termios::tcsetattr(terminal, SetArg::TCSANOW, saved);
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Drop cannot report; a terminal that does not exist any more needs no settings.
        let _restored = termios::tcsetattr(&self.terminal, SetArg::TCSANOW, &self.saved);
        if let Some(alive) = self.alive.take() {
            let _told = nix::unistd::write(&alive, b".");
        }
        let _collected = process::wait(&self.process);
    }
}

/// A second descriptor for one of our standard streams, to be owned by a relay.
pub fn duplicate(stream: impl AsFd) -> Result<OwnedFd> {
    stream.as_fd().try_clone_to_owned().context("duplicate a standard stream")
}
