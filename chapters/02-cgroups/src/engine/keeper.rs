//! Who removes a group when the command line is killed: a process that waits for its end. Started
//! once the container has run for a moment, it delays nothing; before that, `clean` would do.

use crate::group::Group;
use anyhow::{Context, Result};
use kernel::descriptor::{become_standard, close_all_except};
use kernel::namespace::Namespace;
use kernel::process::{self, Child, Cloned};
use namespaces::config::Config;
use namespaces::plan::{Phase, Plan, Slot};
use std::cell::RefCell;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

/// A group's keeper, from when it is started.
#[derive(Clone, Default)]
pub(crate) struct Keeper(Rc<RefCell<Option<Started>>>);

struct Started {
    process: Child,
    /// Open as long as we live: the keeper waits for its end.
    alive: OwnedFd,
}

impl Keeper {
    /// Plans it for before the container, if that has no PID namespace: what its first process starts
    /// would outlive a command line that is killed before it has a keeper.
    pub(crate) fn plan(&self, config: &Config, group: &Slot<Group>, plan: &mut Plan) {
        if config.shared.contains(&Namespace::Pid) {
            let (keeper, group) = (self.clone(), group.clone());
            plan.step(
                Phase::Prepare,
                "have a keeper for the group",
                "no PID namespace ends with its first process: somebody has to see to the others",
                move || group.find().map_or(Ok(()), |group| keeper.start(group)),
            );
        }
    }

    /// Makes it, unless it is there; it holds the group's lock, too.
    pub(crate) fn start(&self, group: &Group) -> Result<()> {
        if self.0.borrow().is_some() {
            return Ok(());
        }
        let (parent, alive) = kernel::descriptor::pipe().context("pipe")?;
        kernel::explain::heading(
            "parent",
            "make a keeper for the group",
            "if this process is killed, somebody must kill what is in it, and remove it",
        );
        let process = match process::clone(&[])? {
            Cloned::Parent(process) => process,
            Cloned::Child => {
                keep(&parent, group);
                process::exit(0);
            }
        };
        self.0.replace(Some(Started { process, alive }));
        Ok(())
    }

    /// Ends it, as the group is about to be removed. Dropped, what comes back has ended.
    pub(crate) fn dismiss(&self) -> Option<Dismissed> {
        let Started { process, alive } = self.0.take()?;
        // If it is gone already, there is nobody to tell.
        let _told = nix::unistd::write(&alive, b".");
        Some(Dismissed(process))
    }
}

/// A keeper that is about to end.
pub(crate) struct Dismissed(Child);

impl Drop for Dismissed {
    fn drop(&mut self) {
        // It cannot be waited for twice, and nothing else can go wrong.
        let _collected = process::wait(&self.0);
    }
}

/// Waits until the parent is gone, or has removed the group itself.
fn keep(parent: &OwnedFd, group: &Group) {
    let mut kept = kernel::explain::descriptors();
    kept.push(parent.as_fd());
    kept.extend(group.lock());
    // In a session of its own, signals for our process group do not reach it. Streams of the
    // caller's would keep whoever reads them waiting.
    let Ok(nothing) = File::open("/dev/null") else { return };
    let freed = (0..3).try_for_each(|stream| become_standard(&nothing, stream));
    if freed.is_err() || close_all_except(&kept).is_err() || process::new_session().is_err() {
        return;
    }
    let mut word = [0u8; 1];
    // LAB 02.6 abandoned: wait for the parent's end; or for its word that the group is gone: return
    loop {
        match nix::unistd::read(parent, &mut word) {
            Err(kernel::Errno::EINTR) => continue,
            Ok(1) => return,
            Ok(_) | Err(_) => break,
        }
    }
    // Nobody is left to tell if one of these fails; `clean` tries again.
    let _killed = group.kill();
    let _removed = group.remove();
}
