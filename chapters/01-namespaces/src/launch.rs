//! A child is made, waits at the gate, takes its steps and becomes the command (clone3(2),
//! execve(2)). Nothing in here knows what the steps do.
//!
//! ```text
//!  parent                                       child, PID 1 of the container
//!  ──────                                       ─────────────────────────────
//!  takes the steps of Prepare
//!  clone3(new namespaces, pidfd) ─────────────▶ asks to die with the parent
//!  adopt: what only the parent can do to it     waits at the gate
//!  opens the gate ────────────────────────────▶ takes its steps, phase by phase:
//!                                                 Groups, Mounts, Pivot, Rooted
//!  reads the failure pipe …                       closes every descriptor but the pipe
//!                                                 Lockdown; then writes one byte
//!  … which ends: it has become the command ◀─── execve closes the pipe (close-on-exec)
//!  … or brings (step, call, errno, words) ◀──── a step failed: the command never runs
//!  waits on the pidfd
//! ```
//!
//! If the parent dies before the gate opens, the child reads the end of the gate and goes; if it
//! dies later, the kernel kills the child. Asked for too late or cleared, that is asked for again.

use crate::config::Process;
use crate::engine::failed::{self, Failed};
use crate::plan::{Phase, Plan, Step};
use crate::{init, program};
use anyhow::{Context, Result};
use console::failure::OURS;
use kernel::process::{Child, Cloned};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

/// Starts the child of a plan and returns once it has become the command.
///
/// # Errors
/// If any step fails, the command has not run, and the child is gone.
pub fn launch(
    mut plan: Plan,
    process: &Process,
    adopt: &dyn Fn(&Child) -> Result<()>,
) -> Result<Child> {
    let (before, after): (Vec<Step>, Vec<Step>) =
        plan.take_steps().into_iter().partition(|step| step.phase == Phase::Prepare);
    for step in before {
        let title = step.title;
        step.take("parent").context(title)?;
    }
    let (gate, opens_gate) = kernel::descriptor::pipe().context("pipe")?;
    let (failures, reports_failure) = kernel::descriptor::pipe().context("pipe")?;

    kernel::explain::heading(
        "parent",
        "clone the child",
        "one call makes the process and its namespaces, and a pidfd that means this process only",
    );
    let child = match kernel::process::clone_into(&plan.namespaces, plan.group.find())? {
        Cloned::Parent(child) => child,
        Cloned::Child => {
            // Our copies of the parent's ends: with them open, neither pipe would ever end.
            drop((opens_gate, failures));
            become_the_command(plan, after, process, gate, reports_failure)
        }
    };
    drop((gate, reports_failure));

    let started = adopt(&child).and_then(|()| {
        nix::unistd::write(&opens_gate, b"!").context("open the gate")?;
        failed::read(failures)
    });
    if let Err(error) = started {
        // Closing the gate ends a child that still waits there; one that failed has ended.
        drop(opens_gate);
        kernel::process::wait(&child)?;
        return Err(error);
    }
    Ok(child)
}

/// The child, from its first instruction to its last.
fn become_the_command(
    plan: Plan,
    mut steps: Vec<Step>,
    process: &Process,
    gate: OwnedFd,
    failures: OwnedFd,
) -> ! {
    let why = "before it looks at the gate: had the parent died in between, that would be closed";
    kernel::explain::heading("child", "ask to die with the parent", why);
    if kernel::process::die_with_parent().is_err() || !gate_opens(gate) {
        kernel::process::exit(OURS);
    }
    // The plan's own descriptors are closed by number, and must not be closed once more.
    std::mem::forget(plan);
    let locking = steps.split_off(steps.partition_point(|step| step.phase < Phase::Lockdown));
    let taken = take(steps)
        .and_then(|()| close_descriptors(&failures))
        .and_then(|()| take(locking))
        .and_then(|()| watch_the_parent(&failures));
    if let Err(failed) = taken {
        failed.report(failures);
    }
    if process.init { init::run(process, failures) } else { execute(process, failures) }
}

/// Becomes the command, or reports why not.
pub(crate) fn execute(process: &Process, failures: OwnedFd) -> ! {
    let why = "signals get their defaults back: what is ignored or blocked stays so through exec";
    kernel::explain::heading("child", "become the command", why);
    let ready = kernel::signal::reset().context("reset signals");
    let failed = match ready.and_then(|()| failed::announce(&failures)) {
        Ok(()) => program::execute(process),
        Err(error) => Failed::at("become the command", &error),
    };
    failed.report(failures)
}

fn gate_opens(gate: OwnedFd) -> bool {
    let mut word = [0; 1];
    std::fs::File::from(gate).read_exact(&mut word).is_ok()
}

fn take(steps: Vec<Step>) -> Result<(), Failed> {
    steps.into_iter().try_for_each(|step| {
        let title = step.title;
        step.take("child").map_err(|error| Failed::at(title, &error))
    })
}

/// Before Lockdown: from here on nobody can name a descriptor of the host's. A working directory
/// of /proc/self/fd/N would otherwise lead out of the container (CVE-2024-21626).
fn close_descriptors(failures: &OwnedFd) -> Result<(), Failed> {
    let title = "close every other descriptor";
    kernel::explain::heading("child", title, "a directory of the host's would be a way out");
    let mut kept = kernel::explain::descriptors();
    kept.push(failures.as_fd());
    let closed = kernel::descriptor::close_all_except(&kept);
    closed.map_err(|error| Failed::at(title, &error.into()))
}

/// A change of user has cleared the parent-death signal: it is asked for again. Had the parent died
/// in between, nobody would kill us; but then the failure pipe has no reader.
fn watch_the_parent(failures: &OwnedFd) -> Result<(), Failed> {
    let title = "ask again to die with the parent";
    kernel::explain::heading("child", title, "a change of user cleared the first request");
    kernel::process::die_with_parent().map_err(|error| Failed::at(title, &error.into()))?;
    if kernel::descriptor::other_end_is_gone(failures) {
        kernel::process::exit(OURS);
    }
    Ok(())
}
