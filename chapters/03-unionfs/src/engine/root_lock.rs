//! Who may mount a container's root, or write into its layer: one at a time. Of two overlays with the
//! same upper directory, the kernel says nothing for certain. Whoever runs a container holds this lock
//! for as long as it runs (flock(2) on containers/ID/lock), and `cp` for as long as it writes into one
//! that does not run.

use anyhow::{Context, Result};
use kernel::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::path::Path;

/// The lock. It ends with this.
pub struct RootLock(#[allow(dead_code, reason = "held, not read")] Flock<File>);

impl RootLock {
    /// Waits until nobody else has it.
    pub fn wait(container: &Path) -> Result<RootLock> {
        lock(container, FlockArg::LockExclusive)?.context("a lock that was waited for")
    }

    /// Takes it, unless somebody else has it.
    pub fn take(container: &Path) -> Result<Option<RootLock>> {
        lock(container, FlockArg::LockExclusiveNonblock)
    }
}

fn lock(container: &Path, how: FlockArg) -> Result<Option<RootLock>> {
    let path = container.join("lock");
    let named = || path.display().to_string();
    let how_to_open = File::options().append(true).create(true).open(&path);
    let mut file = how_to_open.with_context(named)?;
    loop {
        match Flock::lock(file, how) {
            Ok(lock) => return Ok(Some(RootLock(lock))),
            Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
            Err((same, Errno::EINTR)) => file = same,
            Err((_, errno)) => return Err(errno).context("flock").with_context(named),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = RootLock::take(dir.path()).unwrap();
        assert!(first.is_some() && RootLock::take(dir.path()).unwrap().is_none());
        drop(first);
        let _waited = RootLock::wait(dir.path()).unwrap();
        assert!(RootLock::take(dir.path()).unwrap().is_none());
    }
}
