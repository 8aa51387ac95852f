//! Standard input, output and error of a container. A terminal of the host's never goes inside:
//! without `-t` a pipe takes its place, and we relay. Everything else is inherited as it is, which
//! costs nothing.

use crate::config::Process;
use crate::plan::Streams;
use anyhow::{Context, Result};
use console::failure::Failure;
use console::relay::Relay;
use kernel::descriptor::become_standard;
use kernel::terminal::Pty;
use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd};

/// What the container gets, and the relay for our ends.
pub fn open(process: &Process) -> Result<(Streams, Relay)> {
    let (input, output, error) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let mut streams: Streams = [None, None, None];
    let mut relay = Relay::default();
    if process.terminal {
        if process.interactive {
            refuse_no_terminal(&input)?;
        }
        return Ok((streams, relay));
    }
    for (name, stream) in
        [("input", input.as_fd()), ("output", output.as_fd()), ("error", error.as_fd())]
    {
        // Without -i the container gets its own /dev/null.
        if name != "input" || process.interactive {
            refuse_directory(name, stream)?;
        }
    }
    if process.interactive && input.is_terminal() {
        let (container, ours) = kernel::descriptor::pipe().context("pipe")?;
        relay.input(console::terminal::duplicate(&input)?, ours);
        streams[0] = Some(container);
    }
    if output.is_terminal() {
        let (ours, container) = kernel::descriptor::pipe().context("pipe")?;
        relay.output(ours, console::terminal::duplicate(&output)?);
        streams[1] = Some(container);
    }
    if error.is_terminal() {
        let (ours, container) = kernel::descriptor::pipe().context("pipe")?;
        relay.output(ours, console::terminal::duplicate(&error)?);
        streams[2] = Some(container);
    }
    Ok((streams, relay))
}

/// Relays between our terminal and the container's.
pub fn relay_terminal(pty: &Pty, interactive: bool, relay: &mut Relay) -> Result<()> {
    let (input, output) = (std::io::stdin(), std::io::stdout());
    kernel::terminal::copy_size(output.as_fd(), pty.master.as_fd());
    if interactive {
        relay.input(console::terminal::duplicate(&input)?, pty.master.try_clone()?);
    }
    relay.terminal_output(pty.master.try_clone()?, console::terminal::duplicate(&output)?);
    Ok(())
}

/// In the child, once it is in its new root: makes these its standard streams.
pub fn take(pty: Option<&Pty>, streams: Streams, interactive: bool) -> Result<()> {
    if let Some(pty) = pty {
        kernel::terminal::take_control(&pty.slave)?;
        (0..3).try_for_each(|number| become_standard(&pty.slave, number))?;
        return Ok(());
    }
    for (number, stream) in (0..).zip(streams) {
        match stream {
            Some(stream) => become_standard(&stream, number)?,
            None if number == 0 && !interactive => {
                let null = std::fs::File::open("/dev/null").context("/dev/null")?;
                become_standard(&null, number)?;
            }
            None => {}
        }
    }
    Ok(())
}

/// What is typed into a container's terminal is typed into one.
pub fn refuse_no_terminal(input: &impl IsTerminal) -> Result<()> {
    if input.is_terminal() {
        return Ok(());
    }
    let failure = Failure::new("the input device is not a TTY");
    Err(failure.remedy("leave out -t: a pipe needs only -i").into())
}

/// A directory as a standard stream can be read or written by nobody, but a container can climb
/// out through it: /proc/self/fd/0/.. is the host's.
fn refuse_directory(name: &str, stream: BorrowedFd) -> Result<()> {
    let file = std::fs::File::from(stream.try_clone_to_owned()?);
    if file.metadata()?.is_dir() {
        let failure = Failure::new(format!("standard {name} is a directory of the host's"));
        return Err(failure.remedy("redirect it from or to a file").into());
    }
    Ok(())
}
