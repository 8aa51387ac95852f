//! Where a binary under test keeps its files. From chapter 03 on there are layers among them, and what an overlay writes to
//! may not lie on an overlay: where the temporary directory does, as in most containers, a tmpfs of the disposable host's own
//! covers it.

use std::ffi::CStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use kernel::xattr;
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};
use tempfile::TempDir;
use testkit::{program, scratch};

/// The directory. It goes with the value.
pub(crate) struct State {
    directory: TempDir,
    path: PathBuf,
    is_covered: bool,
}

impl State {
    pub(crate) fn new() -> State {
        let directory = scratch();
        let system = statfs(directory.path());
        let on_overlay = system.is_ok_and(|it| it.filesystem_type() == OVERLAYFS_SUPER_MAGIC);
        let is_covered = on_overlay && cover(directory.path());
        State { path: directory.path().to_owned(), directory, is_covered }
    }

    /// One on an overlay; none where that cannot be.
    pub(crate) fn on_overlay() -> Option<State> {
        let directory = scratch();
        let is_covered = cover(directory.path());
        let state = State { path: directory.path().join("merged"), directory, is_covered };
        let part = |name: &str| state.directory.path().join(name).display().to_string();
        let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(part);
        let made =
            [&lower, &upper, &work, &merged].into_iter().all(|part| fs::create_dir(part).is_ok());
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        let mount = program("mount").words("-t overlay none -o").arg(options).arg(merged);
        (is_covered && made && mount.run().status().success()).then_some(state)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
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
            program("umount").words("--lazy").arg(self.directory.path()).run();
        }
    }
}

/// Mounts a tmpfs over a directory.
fn cover(directory: &Path) -> bool {
    program("mount").words("-t tmpfs -o mode=755 none").arg(directory).run().status().success()
}
