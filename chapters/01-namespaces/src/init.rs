//! What PID 1 owes to the others (pid_namespaces(7)): it collects orphans, or they stay zombies for
//! ever; and it has to ask for signals, as the kernel does not give it those that it has no
//! handler for. Most commands do neither. `--init` puts this small one in their place.

use crate::config::Process;
use crate::engine::failed::Failed;
use crate::launch;
use anyhow::{Context, Result};
use kernel::Pid;
use kernel::process::{Cloned, Exit};
use kernel::signal::{Signal, Signals};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, OwnedFd};

/// Stays as PID 1; a child of it becomes the command. When that ends, so does the container, with
/// the same exit code.
pub fn run(process: &Process, failures: OwnedFd) -> ! {
    let title = "fork the command from init";
    kernel::explain::heading("child", title, "PID 1 stays ours, to collect orphans");
    let signals = Signals::collect(&[Signal::SIGCHLD]).context("signalfd");
    match signals.and_then(|signals| Ok((signals, kernel::process::clone(&[])?))) {
        Err(error) => Failed::at(title, &error).report(failures),
        Ok((signals, Cloned::Child)) => {
            drop(signals);
            launch::execute(process, failures)
        }
        Ok((signals, Cloned::Parent(command))) => {
            // Our copy of the pipe would keep the parent waiting until we end.
            drop(failures);
            let ended = serve(signals, command.pid, command.pidfd);
            kernel::process::exit(ended.map_or(console::failure::OURS, Exit::code))
        }
    }
}

fn serve(mut signals: Signals, command: Pid, pidfd: OwnedFd) -> Result<Exit> {
    // In this process's memory are the environment and the arguments of our command line.
    kernel::process::forget_environment().context("forget the environment")?;
    kernel::process::rename(c"minidock-init").context("take another name")?;
    loop {
        let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::NONE)?;
        while let Some(received) = signals.receive()? {
            match received.signal {
                Signal::SIGCHLD => {}
                // What the terminal's driver sends goes to its whole foreground group.
                signal if received.from_process => kernel::process::send_signal(&pidfd, signal)?,
                _ => {}
            }
        }
        // LAB 01.6 orphans: collect whoever has ended; if it is the command, that is all
        while let Some((pid, exit)) = kernel::process::collect_any()? {
            if pid == command {
                return Ok(exit);
            }
        }
    }
}
