//! Where the tested binary keeps its state. Making the `lab` root takes tens of milliseconds and megabytes, so all tests of a
//! process share one; it goes when the process exits, and what a killed process left is swept by the next.

use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;
use tempfile::TempDir;

const PREFIX: &str = "minidock-test-";

struct Shared {
    path: PathBuf,
    /// Held until the process ends: it tells a sweeping neighbour that this directory is in use.
    _lock: Flock<File>,
}

static SHARED: OnceLock<Shared> = OnceLock::new();

/// The state directory that all tests of this process share, with the `lab` root already made in it
/// by the first caller's first run.
pub fn shared_root() -> &'static Path {
    let shared = SHARED.get_or_init(|| {
        sweep(&std::env::temp_dir());
        let path = scratch().keep();
        let lock =
            lock(&path).unwrap_or_else(|| panic!("{} is new, and yet locked", path.display()));
        // SAFETY: `remove_shared` is an `extern "C"` function without arguments, as atexit(3) wants it.
        let registered = unsafe { libc::atexit(remove_shared) };
        assert_eq!(registered, 0, "atexit(3) takes 32 functions at least");
        Shared { path, _lock: lock }
    });
    &shared.path
}

/// A state directory of one's own: for tests that make or clean the lab.
pub fn fresh_root() -> TempDir {
    scratch()
}

/// An empty directory that vanishes with the value, and which other users may enter.
pub fn scratch() -> TempDir {
    tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .expect("the temporary directory is writable")
}

extern "C" fn remove_shared() {
    if let Some(shared) = SHARED.get() {
        // At exit there is nobody left to tell; the next process sweeps what could not be removed.
        let _ = std::fs::remove_dir_all(&shared.path);
    }
}

/// Removes what killed test processes left in `parent`: ours by name and owner, an hour old, and in nobody's use.
fn sweep(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // Without the hour, a neighbour's directory could be taken between its making and its locking.
        let abandoned = entry.metadata().is_ok_and(|about| {
            about.is_dir()
                && about.uid() == geteuid().as_raw()
                && about.modified().is_ok_and(|time| {
                    time.elapsed().is_ok_and(|age| age > Duration::from_secs(3600))
                })
        });
        if ours && abandoned && lock(&entry.path()).is_some() {
            // Whatever resists (a mount, a file of another user's) is not worth failing a test for.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn lock(directory: &Path) -> Option<Flock<File>> {
    Flock::lock(File::open(directory).ok()?, FlockArg::LockExclusiveNonblock).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn only_old_unlocked_directories_of_ours_are_swept() {
        let parent = scratch();
        let make = |name: &str, age: u64| {
            let path = parent.path().join(name);
            std::fs::create_dir(&path).unwrap();
            let then = SystemTime::now() - Duration::from_secs(age);
            File::open(&path).unwrap().set_modified(then).unwrap();
            path
        };
        let left_over = make("minidock-test-left-over", 7200);
        let in_use = make("minidock-test-in-use", 7200);
        let young = make("minidock-test-young", 60);
        let foreign = make("somebody-else", 7200);
        let _held = lock(&in_use).unwrap();
        sweep(parent.path());
        assert!(!left_over.exists());
        assert!(in_use.exists() && young.exists() && foreign.exists());
    }

    #[test]
    fn the_shared_root_is_one_directory_that_others_may_enter() {
        let root = shared_root();
        assert_eq!(root, shared_root());
        assert_eq!(root.metadata().unwrap().mode() & 0o777, 0o755);
        assert!(lock(root).is_none(), "it is locked while the process lives");
    }
}
