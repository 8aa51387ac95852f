//! The command line while its container runs: it relays, passes signals on, waits, and ends with
//! the container's exit code.

use crate::config::Process;
use crate::engine::streams;
use anyhow::Result;
use console::relay::Relay;
use console::terminal::{Keeper, duplicate};
use kernel::process::{self, Child, Exit};
use kernel::signal::{Received, Signal, Signals};
use kernel::terminal::Pty;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::time::Duration;

/// How often a person has to ask before a container that does not listen is killed, as in Docker.
const PATIENCE: u32 = 3;

/// How long a container has to end after the terminal that it was started from was closed.
const GRACE: Duration = Duration::from_secs(2);

/// After this time a container is one that stays: what its start did not have to wait for is done.
const SETTLED: Duration = Duration::from_millis(20);

/// Waits for the end of a container, or of a command in one. What is to be done once it has settled
/// is not done for one that ends at once.
pub fn attend(
    child: &Child,
    process: &Process,
    mut signals: Signals,
    mut relay: Relay,
    pty: Option<&Pty>,
    settled: &dyn Fn() -> Result<()>,
) -> Result<Exit> {
    let mut keeper = None;
    if let Some(pty) = pty {
        streams::relay_terminal(pty, process.interactive, &mut relay)?;
        let input = std::io::stdin();
        if process.interactive && input.is_terminal() {
            let kept = Keeper::start(duplicate(&input)?, &child.pidfd)?;
            kept.make_raw()?;
            keeper = Some(kept);
        }
    }
    kernel::explain::heading(
        "parent",
        "wait for the end",
        "relaying and passing signals on until the pidfd says that it has come",
    );
    let mut asked = 0;
    let mut patience = None;
    let mut ready = relay.run_until(&[child.pidfd.as_fd(), signals.as_fd()], Some(SETTLED))?;
    if !ready[0] {
        settled()?;
    }
    loop {
        if ready[0] {
            break;
        }
        if !ready[1] && patience.is_some() {
            // It had its time after the terminal was closed.
            process::send_signal(&child.pidfd, Signal::SIGKILL)?;
            patience = None;
        }
        while let Some(received) = signals.receive()? {
            pass_on(received, child, pty, &mut asked)?;
            if received.signal == Signal::SIGHUP && terminal_is_gone() {
                patience = Some(GRACE);
            }
        }
        ready = relay.run_until(&[child.pidfd.as_fd(), signals.as_fd()], patience)?;
    }
    relay.drain()?;
    drop(keeper);
    Ok(process::wait(child)?)
}

fn pass_on(received: Received, child: &Child, pty: Option<&Pty>, asked: &mut u32) -> Result<()> {
    match (received.signal, pty) {
        // The kernel tells the terminal's foreground group by itself once the size is set.
        (Signal::SIGWINCH, Some(pty)) => {
            kernel::terminal::copy_size(std::io::stdout().as_fd(), pty.master.as_fd());
        }
        (Signal::SIGWINCH, None) => {}
        (signal, _) => {
            process::send_signal(&child.pidfd, signal)?;
            *asked += u32::from(matches!(signal, Signal::SIGINT | Signal::SIGTERM));
            if *asked == PATIENCE {
                eprintln!("\ngot {PATIENCE} SIGTERM/SIGINTs, killing the container");
                process::send_signal(&child.pidfd, Signal::SIGKILL)?;
            }
        }
    }
    Ok(())
}

/// Whether this process had a terminal and it was closed. A SIGHUP that somebody sent is another
/// thing: many programs read their configuration again on it.
fn terminal_is_gone() -> bool {
    std::fs::File::open("/dev/tty").is_err()
}
