//! Who removes a group when the command line is killed: a process that waits for its end. Started
//! while the command already runs, it delays nothing; without it, the next `clean` would do.

use crate::group::Group;
use anyhow::{Context, Result};
use kernel::descriptor::{become_standard, close_all_except};
use kernel::process::{self, Child, Cloned};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

/// The process.
pub(crate) struct Keeper {
    process: Child,
    /// Open as long as we live: the keeper waits for its end.
    alive: OwnedFd,
}

impl Keeper {
    /// Makes it; it holds the group's lock, too.
    pub(crate) fn start(group: &Group) -> Result<Keeper> {
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
        Ok(Keeper { process, alive })
    }

    /// Ends it, as the group is about to be removed. Dropped, what comes back has ended.
    pub(crate) fn dismiss(self) -> Dismissed {
        // If it is gone already, there is nobody to tell.
        let _told = nix::unistd::write(&self.alive, b".");
        Dismissed(self.process)
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
