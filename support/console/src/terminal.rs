//! Our own terminal while a container uses it: raw, so that every key reaches the container, and
//! given back as it was, whatever we die of (termios(3)).

use anyhow::{Context, Result};
use kernel::process::{self, Child, Cloned};
use kernel::signal::Signal;
use nix::sys::termios::{self, SetArg, Termios};
use std::os::fd::{AsFd, OwnedFd};

/// A terminal in raw mode, until this is dropped.
pub struct RawTerminal {
    terminal: OwnedFd,
    saved: Termios,
    keeper: Child,
    /// Open as long as we live: the keeper waits for its end.
    alive: Option<OwnedFd>,
}

impl RawTerminal {
    /// Makes `terminal` raw on behalf of the container behind `pidfd`.
    ///
    /// A second process, the keeper, outlives a crash or a kill -9 of this one: it then puts the
    /// terminal right and ends the container, whose terminal is gone.
    pub fn enter(terminal: OwnedFd, pidfd: impl AsFd) -> Result<RawTerminal> {
        let saved = termios::tcgetattr(&terminal).context("read the terminal's settings")?;
        let (ours_ends, alive) = kernel::descriptor::pipe().context("pipe")?;
        kernel::explain::heading(
            "parent",
            "make a keeper for the terminal",
            "if this process is killed, somebody must put the terminal right",
        );
        let keeper = match process::clone(&[])? {
            Cloned::Parent(keeper) => keeper,
            Cloned::Child => {
                drop(alive);
                keep(&terminal, &saved, &ours_ends, pidfd.as_fd());
                process::exit(0);
            }
        };
        let mut raw = saved.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(&terminal, SetArg::TCSANOW, &raw).context("make the terminal raw")?;
        Ok(RawTerminal { terminal, saved, keeper, alive: Some(alive) })
    }
}

/// The keeper: waits until its parent is gone, or has put the terminal right itself.
fn keep(terminal: &OwnedFd, saved: &Termios, parent: &OwnedFd, container: impl AsFd) {
    // A session of its own: signals for our process group do not reach it, and a change of
    // settings by a process in the background is not stopped by SIGTTOU.
    if process::new_session().is_err() {
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
    let _restored = termios::tcsetattr(terminal, SetArg::TCSANOW, saved);
    let _ended = process::send_signal(container, Signal::SIGKILL);
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Drop cannot report; a terminal that does not exist any more needs no settings.
        let _restored = termios::tcsetattr(&self.terminal, SetArg::TCSANOW, &self.saved);
        if let Some(alive) = self.alive.take() {
            let _told = nix::unistd::write(&alive, b".");
        }
        let _collected = process::wait(&self.keeper);
    }
}

/// A second descriptor for one of our standard streams, to be owned by a relay.
pub fn duplicate(stream: impl AsFd) -> Result<OwnedFd> {
    stream.as_fd().try_clone_to_owned().context("duplicate a standard stream")
}
