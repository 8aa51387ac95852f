//! A process that outlives its command line: the first thing that a shim is.

use anyhow::{Context, Result};
use console::failure::Failure;
use kernel::Errno;
use kernel::descriptor::{become_standard, close_all_except, pipe};
use kernel::process::{self, Child, Cloned};
use kernel::signal::{Signal, Signals};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Tells the command line that the container runs, or why it does not.
pub struct Teller {
    tells: Option<OwnedFd>,
    /// The command line itself, if it attaches.
    pub attached: Option<UnixStream>,
}

/// Does this in a process that outlives the command line, and waits until it says that the
/// container runs: no exit code then. Otherwise it has one, and the words are what went wrong.
pub fn start(
    attached: Option<UnixStream>,
    usual_code: u8,
    act: impl FnOnce(&mut Teller) -> Result<()>,
) -> Result<u8> {
    let (asks, tells) = pipe().context("pipe")?;
    // What is sent to the command line from here on is meant for what it starts.
    let mut signals = Signals::collect(&[])?;
    match process::clone(&[])? {
        Cloned::Parent(shim) => {
            drop((tells, attached));
            pass_on_until_ready(&mut signals, &asks, &shim)?;
            // Its last word ends with a NUL byte: the pipe ends with the shim alone.
            let mut words = Vec::new();
            BufReader::new(File::from(asks)).read_until(0, &mut words).context("the shim")?;
            match words.split_first() {
                Some((0, _)) => Ok(0),
                Some((code, text)) => {
                    // If standard error is closed there is nowhere to say it.
                    let _said =
                        std::io::stderr().write_all(text.strip_suffix(&[0]).unwrap_or(text));
                    Ok(*code)
                }
                None => Err(Failure::new("the shim was killed").into()),
            }
        }
        Cloned::Child => {
            drop(asks);
            let left = leave_the_command_line(&tells, attached.as_ref());
            let mut teller = Teller { tells: Some(tells), attached };
            let acted = left.and_then(|()| act(&mut teller));
            if let Err(error) = acted {
                let (text, code) = console::told(&error, usual_code);
                teller.say(code, &text);
            }
            process::exit(0);
        }
    }
}

/// Passes signals on until the shim says something: what takes long in there looks whether one has come,
/// and otherwise they are the container's.
fn pass_on_until_ready(signals: &mut Signals, asks: &OwnedFd, shim: &Child) -> Result<()> {
    loop {
        let mut fds = [
            PollFd::new(asks.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            polled => polled?,
        };
        let speaks = fds[0].any().unwrap_or(true);
        while let Some(received) = signals.receive()? {
            if received.signal != Signal::SIGWINCH {
                process::send_signal(&shim.pidfd, received.signal)?;
            }
        }
        if speaks {
            return Ok(());
        }
    }
}

/// Its terminal, its streams, which somebody may be waiting for the end of, and whatever else it was
/// given open.
// LAB 03.4 outlives: a session of its own, and nothing that the command line has open but these
fn leave_the_command_line(tells: &OwnedFd, attached: Option<&UnixStream>) -> Result<()> {
    process::new_session()?;
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    (0..3).try_for_each(|stream| become_standard(&nothing, stream))?;
    drop(nothing);
    let mut kept = kernel::explain::descriptors();
    kept.extend([tells.as_fd()].into_iter().chain(attached.map(AsFd::as_fd)));
    Ok(close_all_except(&kept)?)
}

impl Teller {
    /// Whether the command line still waits.
    pub fn has_not_spoken(&self) -> bool {
        self.tells.is_some()
    }

    /// Once; after that nobody listens.
    pub fn say(&mut self, code: u8, text: &str) {
        if let Some(tells) = self.tells.take() {
            // Nobody may be waiting any more, and the container runs all the same.
            let _told = File::from(tells).write_all(&[&[code], text.as_bytes(), &[0]].concat());
        }
    }
}
