//! Plan, then execute: every mechanism first adds its steps to a plan, and nothing has happened
//! yet. `--plan` prints it. Only then is it carried out, from top to bottom, by [`crate::launch`].

use crate::config::{Config, Process};
pub use crate::engine::slot::Slot;
use anyhow::Result;
use kernel::Pid;
use kernel::namespace::Namespace;
use kernel::process::Child;
use kernel::terminal::Pty;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// When a step is taken. Phases follow one another; within a phase the order of the mechanisms
/// decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// In the parent, before the child exists: open, create, decide.
    Prepare,
    /// In the child: groups and namespaces that show where it is, once it is there.
    Groups,
    /// The mount tree is put together; the host's is still visible.
    Mounts,
    /// The root changes. From here on no name leads to the host.
    Pivot,
    /// Inside the new root: name, interfaces, standard streams.
    Rooted,
    /// What a step above still needed is given up: descriptors, paths, user.
    Lockdown,
}

/// One thing to do.
pub struct Step {
    /// When.
    pub phase: Phase,
    /// What, in the imperative.
    pub title: &'static str,
    /// Why, and what breaks without it.
    pub why: &'static str,
    action: Box<dyn FnOnce() -> Result<()>>,
}

impl Step {
    /// Announces the step to whoever listens, and takes it.
    pub fn take(self, who: &str) -> Result<()> {
        kernel::explain::heading(who, self.title, self.why);
        (self.action)()
    }
}

/// Everything that will be done to start one process.
#[derive(Default)]
pub struct Plan {
    /// The namespaces that clone3(2) makes with the child.
    pub namespaces: Vec<Namespace>,
    /// The control group that the child is born in, if a mechanism makes one.
    pub group: Slot<OwnedFd>,
    /// The root as a detached mount, put here by the mechanism that makes it.
    pub root: Slot<OwnedFd>,
    /// The terminal, if the process has one.
    pub pty: Slot<Pty>,
    /// What the process gets as standard input, output and error instead of ours.
    pub streams: Streams,
    steps: Vec<Step>,
}

/// What stands in for our standard streams. Without it ours is inherited, but for the input of a
/// process that is not interactive: the container's own /dev/null.
pub type Streams = [Option<OwnedFd>; 3];

impl Plan {
    /// An empty plan for a process that gets these streams.
    pub fn new(streams: Streams) -> Plan {
        Plan { streams, ..Plan::default() }
    }

    /// Adds a step.
    pub fn step(
        &mut self,
        phase: Phase,
        title: &'static str,
        why: &'static str,
        action: impl FnOnce() -> Result<()> + 'static,
    ) {
        self.steps.push(Step { phase, title, why, action: Box::new(action) });
    }

    /// Takes all steps out, in the order in which they are to be taken.
    pub fn take_steps(&mut self) -> Vec<Step> {
        let mut steps = std::mem::take(&mut self.steps);
        steps.sort_by_key(|step| step.phase);
        steps
    }
}

/// One kernel mechanism, hooked into the life of a container. No mechanism knows another: what
/// they share passes through [`Config`] and [`Plan`].
pub trait Mechanism {
    /// Adds the steps that start a container. Does nothing else: `--plan` calls it, too.
    fn prepare(&self, _config: &Config, _plan: &mut Plan) -> Result<()> {
        Ok(())
    }

    /// In the parent, while the child waits at the gate: what can only be done from outside, to a
    /// child that already exists.
    fn adopt(&self, _config: &Config, _child: &Child) -> Result<()> {
        Ok(())
    }

    /// Adds the steps by which another process joins a running container.
    fn enter(&self, _target: &Target, _process: &Process, _plan: &mut Plan) -> Result<()> {
        Ok(())
    }

    /// In the parent, once the command has run for a moment: what its start need not wait for.
    fn settled(&self, _child: &Child) -> Result<()> {
        Ok(())
    }

    /// Undoes what outlives the container's processes, and says what it knows about their end. May
    /// be called twice, and by another process than the one that prepared.
    fn cleanup(&self, _id: &str) -> Result<Option<String>> {
        Ok(None)
    }
}

/// A process that runs, whose container another one is to join.
#[derive(Debug)]
pub struct Target {
    /// Its number as this process sees it.
    pub pid: Pid,
    /// The process itself, whatever becomes of the number.
    pub pidfd: Rc<OwnedFd>,
}
