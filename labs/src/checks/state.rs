//! Where a binary under test keeps its files. From chapter 03 on there are layers among them, and what an overlay writes to
//! may not lie on an overlay: where the temporary directory does, as in most containers, a tmpfs of the disposable host's own
//! covers it.

use std::ffi::CStr;
use std::fs::File;
use std::path::Path;

use kernel::xattr;
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};
use tempfile::TempDir;
use testkit::{program, scratch};

/// The directory. It goes with the value.
pub(crate) struct State {
    directory: TempDir,
    is_covered: bool,
}

impl State {
    pub(crate) fn new() -> State {
        let directory = scratch();
        let system = statfs(directory.path());
        let on_overlay = system.is_ok_and(|it| it.filesystem_type() == OVERLAYFS_SUPER_MAGIC);
        let cover = || program("mount").words("-t tmpfs -o mode=755 none").arg(directory.path());
        let is_covered = on_overlay && cover().run().status().success();
        State { directory, is_covered }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Whether files here keep attributes whose names begin as this one's does.
    pub(crate) fn keeps(&self, name: &CStr) -> bool {
        let directory = File::open(self.path()).expect("the directory is ours");
        let kept = xattr::set(&directory, name, b"y").is_ok();
        kept && xattr::remove(&directory, name).is_ok()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if self.is_covered {
            // If it stays, it ends with the disposable host.
            program("umount").words("--lazy").arg(self.path()).run();
        }
    }
}
