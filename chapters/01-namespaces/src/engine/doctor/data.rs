//! The data directory: whether it can be written, how much is free there, and whether an overlay
//! can have its upper directory on its file system. What is made there has a name and a lock of
//! ours and is removed again; what a killed doctor left, the next one removes.

use super::check::{ALL, Check, partly};
use super::ground::Ground;
use super::mounts::{OVERLAY, is_in_user_namespace, overlay_remedy};
use kernel::Errno;
use kernel::capability::{Found, Refused, aside, mounts, within};
use kernel::namespace::Namespace;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::statvfs;
use serde::Serialize;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

const PREFIX: &str = ".minidock-doctor-";
const MEBIBYTE: u64 = 1 << 20;
/// The lab has some 20 MiB; with less than this, something is lost at once.
const LEAST: u64 = 64 * MEBIBYTE;
/// What images of a chapter's exercises and their layers take.
const ENOUGH: u64 = 1024 * MEBIBYTE;

/// What the report says of the directory.
#[derive(Debug, Default, Serialize)]
pub(super) struct Facts {
    /// Where our files go.
    pub(super) directory: Option<PathBuf>,
    /// The type of its file system.
    pub(super) file_system: Option<String>,
    /// Bytes free there for this account.
    pub(super) free: Option<u64>,
}

/// The outcome.
pub(super) struct Data {
    pub(super) facts: Facts,
    /// An empty directory for trials, if one can be made.
    pub(super) scratch: Option<Scratch>,
}

/// Examines the directory, or the one in which it would be made.
pub(super) fn examine(ground: &Ground) -> (Data, Vec<Check>) {
    let mut facts = Facts { directory: ground.data.clone(), ..Facts::default() };
    let base = match &ground.data {
        None => Err(Refused::new("neither HOME nor XDG_DATA_HOME is set")),
        // In a child: a dead file server lets nobody go who asks for a name there.
        Some(data) => aside(|| nearest(data)).map(PathBuf::from),
    };
    let scratch = base.clone().and_then(|base| Scratch::make(&base));
    let shown =
        |data: &Option<PathBuf>| data.as_ref().map_or(String::new(), |d| d.display().to_string());
    let writable = scratch.as_ref().map(|_| format!("{} can be written", shown(&ground.data)));
    let elsewhere = |_: &Refused| elsewhere(ground);
    let mut checks =
        vec![Check::new("data-directory", ALL, writable.map_err(Clone::clone), elsewhere)];
    if let Ok(base) = &base {
        facts.file_system = file_system(base);
        let free = free_at(base);
        facts.free = free.ok();
        let words = |free: u64| format!("{} MiB", free / MEBIBYTE);
        let found = match free {
            Err(errno) => Err(Refused::io("statvfs", &errno.into())),
            Ok(free @ 0..LEAST) => Err(Refused::new(words(free) + ": too little for the lab")),
            Ok(free @ LEAST..ENOUGH) => Err(partly(words(free) + ": little for images")),
            Ok(free) => Ok(words(free)),
        };
        checks.push(Check::new("free-space", ALL, found, elsewhere));
    }
    let kind = facts.file_system.clone().unwrap_or("an unknown file system".into());
    checks.push(ground.check(
        "overlay-on-data",
        OVERLAY,
        || {
            let scratch = scratch.as_ref().map_err(Clone::clone)?;
            let trial = || mounts::overlay_on(&scratch.path, is_in_user_namespace());
            let found = within(&[Namespace::Mount], trial);
            let named = |refused: Refused| Refused {
                words: format!("{kind}: {}", refused.words),
                ..refused
            };
            found.map(|found| format!("{kind}: {found}")).map_err(named)
        },
        |refused| match refused.errno {
            Some(Errno::ENODEV | Errno::EPERM) => overlay_remedy(ground, refused),
            _ if scratch.is_err() => elsewhere(refused),
            _ => on_tmpfs(ground),
        },
    ));
    (Data { facts, scratch: scratch.ok() }, checks)
}

/// The directory itself, or the nearest above it that exists.
fn nearest(data: &Path) -> Found {
    let there = data.ancestors().find(|path| fs::symlink_metadata(path).is_ok());
    let there = there.unwrap_or(Path::new("/"));
    Ok(fs::canonicalize(there)
        .map_err(|error| Refused::io(there.display(), &error))?
        .display()
        .to_string())
}

/// Bytes that this account may still write there.
fn free_at(directory: &Path) -> nix::Result<u64> {
    let found = statvfs(directory)?;
    Ok(found.blocks_available() * found.fragment_size())
}

/// Another place for our files: the first that can be written and has room.
fn elsewhere(ground: &Ground) -> String {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".minidock"));
    let common = ["/var/tmp", "/tmp", "/dev/shm"];
    let common = common.map(|top| Path::new(top).join(format!("minidock-{}", ground.uid)));
    let fits = |place: &PathBuf| {
        let Some(top) = place.parent() else { return false };
        let free = free_at(top);
        free.is_ok_and(|free| free >= ENOUGH) && Scratch::make(top).is_ok()
    };
    match home.into_iter().chain(common).find(fits) {
        Some(place) => format!("export MINIDOCK_ROOT={}", place.display()),
        None => "free some space, or export MINIDOCK_ROOT=DIR with a DIR that has some".into(),
    }
}

/// A file system that can be an overlay's upper, mounted at the directory. What is kept there is
/// gone after a restart.
fn on_tmpfs(ground: &Ground) -> String {
    let data = ground.data.as_deref().unwrap_or(Path::new("DIR")).display();
    ground.all_as_root(&[
        format!("mkdir -p {data}"),
        format!("mount -t tmpfs -o mode=755,uid={} minidock {data}", ground.uid),
    ])
}

/// The type of the file system that a directory is on: that of the mount with its device.
fn file_system(path: &Path) -> Option<String> {
    let device = fs::metadata(path).ok()?.dev();
    let wanted = format!("{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = table.lines().find(|line| line.split(' ').nth(2) == Some(&wanted))?;
    Some(line.split_once(" - ")?.1.split(' ').next()?.to_owned())
}

/// A directory that goes with the value.
pub(super) struct Scratch {
    pub(super) path: PathBuf,
    /// Tells other doctors that it is in use.
    _lock: Flock<File>,
}

impl Scratch {
    /// Makes one in `base`.
    pub(super) fn make(base: &Path) -> Result<Scratch, Refused> {
        let refused = |error: std::io::Error| Refused::io(base.display(), &error);
        sweep(base);
        let path = base.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&path).map_err(refused)?;
        let lock = File::open(&path).map_err(refused)?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock);
        let lock = lock.map_err(|(_, errno)| refused(errno.into()))?;
        // Whatever the mask: a container's user has to find its root.
        fs::set_permissions(&path, Permissions::from_mode(0o755)).map_err(refused)?;
        Ok(Scratch { path, _lock: lock })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now, the next doctor removes.
        let _removed = fs::remove_dir_all(&self.path);
    }
}

/// Removes what killed doctors left in `base`: ours by name and owner, a minute old, and nobody's.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let old = |about: &fs::Metadata| {
            let age = about.modified().ok().and_then(|time| time.elapsed().ok());
            age.is_some_and(|age| age > Duration::from_secs(60))
        };
        let left = || {
            let about = entry.metadata().ok()?;
            let mine = about.is_dir() && about.uid() == nix::unistd::geteuid().as_raw();
            let file = (mine && old(&about)).then(|| File::open(entry.path()).ok()).flatten()?;
            Flock::lock(file, FlockArg::LockExclusiveNonblock).ok()
        };
        if ours && let Some(_held) = left() {
            // Another account's files in it stay, and do no harm.
            let _removed = fs::remove_dir_all(entry.path());
        }
    }
}
