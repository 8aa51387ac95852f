//! The command: its streams are pipes, as for any program, and threads carry what comes out of them to the ports.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::process::{Command, Stdio};
use std::thread::scope;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::ports::Ports;
use crate::job::{Job, Report};

/// The number that stands for "every process but this one" in kill(2), and for "any child" in wait(2).
const ALL: Pid = Pid::from_raw(-1);

/// Runs the command to its end.
///
/// # Errors
/// If its output cannot be carried to the host.
pub(super) fn run(job: &Job, ports: &mut Ports) -> Result<Report> {
    let (name, arguments) = job.command.split_first().context("no command")?;
    // A spawn would tell of a missing directory as of a missing command.
    ensure!(job.directory.is_dir(), "there is no directory {}", job.directory.display());
    let mut command = Command::new(name);
    command.args(arguments).env_clear().envs(job.environment.iter().cloned());
    command.current_dir(&job.directory);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            // As Docker: 127 where there is no such command, 126 where it cannot be executed.
            let code = if error.kind() == ErrorKind::NotFound { 127 } else { 126 };
            return Ok(Report::NotRun(code, format!("{name}: {error}")));
        }
    };
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    scope(|scope| {
        let out = scope.spawn(|| stdout.map_or(Ok(()), |from| carry(from, &mut ports.stdout)));
        let err = scope.spawn(|| stderr.map_or(Ok(()), |from| carry(from, &mut ports.stderr)));
        let code = reap_until(Pid::from_raw(child.id() as i32))?;
        // What the command left running would keep the pipes open. That there is nothing (ESRCH) is as good.
        let _none_left = kill(ALL, Signal::SIGKILL);
        for carried in [out.join(), err.join()] {
            carried.expect("copying does not panic").context("carry the output to the host")?;
        }
        Ok(Report::Exit(code))
    })
}

/// Not `std::io::copy`: that would splice(2), for which a port may have no room.
fn carry(mut from: impl Read, to: &mut File) -> std::io::Result<()> {
    let mut buffer = vec![0; 32 << 10];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            count => to.write_all(&buffer[..count])?,
        }
    }
}

/// Collects every child that ends, orphans too, as the first process must, until `command` has ended.
fn reap_until(command: Pid) -> Result<u8> {
    loop {
        match waitpid(ALL, None).context("wait for the command")? {
            WaitStatus::Exited(pid, code) if pid == command => return Ok(code as u8),
            WaitStatus::Signaled(pid, signal, _) if pid == command => {
                return Ok(128 + signal as u8);
            }
            _ => {}
        }
    }
}
