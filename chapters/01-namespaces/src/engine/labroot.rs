//! The built-in root `lab`: the host's own shell and tools, copied with the libraries they need into a clean
//! directory, and /probe. Made on first use, in a directory beside its place that is renamed (rename(2)) once complete, so
//! that a kill at any point leaves no half-made root behind. Whoever runs on it holds a flock(2), which `clean` respects.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub use super::labtools::{PROMISED, WELCOME};
use super::{labtools, labtree};

/// Raised when a lab made by an older program would not do any more.
const RECIPE: u32 = 1;

/// A lab root that is complete and held: a shared flock on its directory, released when dropped, so
/// that `clean` does not remove what runs.
#[derive(Debug)]
pub struct Lab {
    /// The directory to change root into.
    pub path: PathBuf,
    #[allow(dead_code, reason = "held, not read")]
    lock: File,
}

/// What [`remove_all`] did.
#[derive(Debug, Default)]
pub struct Removed {
    /// Labs that are gone, and half-made ones.
    pub removed: Vec<PathBuf>,
    /// Labs left in place: somebody runs on them, or something is mounted inside.
    pub in_use: Vec<PathBuf>,
}

/// Makes the lab under `data` (DATA/lab/KEY) on first use and holds it. `program` becomes /probe;
/// `program_id`, fit for a file name, changes with its content.
///
/// Fails if the host has no usable `sh`; other tools may be [`missing`].
pub fn ensure(data: &Path, program: &[u8], program_id: &str) -> Result<Lab> {
    ensure_from(data, program, program_id, labtools::search_path)
}

/// The directory of all labs. A link in its place would have us write, and remove, elsewhere.
fn store(data: &Path) -> Result<PathBuf> {
    let store = data.join("lab");
    match fs::symlink_metadata(&store) {
        Ok(there) if !there.is_dir() => {
            bail!(
                "{} is not a directory: remove it, or name another place with --root",
                store.display()
            )
        }
        _ => Ok(store),
    }
}

fn ensure_from(
    data: &Path,
    program: &[u8],
    program_id: &str,
    search_path: impl FnOnce() -> Vec<PathBuf>,
) -> Result<Lab> {
    let store = store(data)?;
    let key = format!("{program_id}-{RECIPE}-{}", std::env::consts::ARCH);
    let path = store.join(&key);
    if let Some(lab) = hold(&path, libc::LOCK_NB)? {
        return Ok(lab);
    }
    let _builder = lock_store(&store)?;
    // Another process may have built it while we waited for the lock.
    if let Some(lab) = hold(&path, 0)? {
        return Ok(lab);
    }
    let partial = store.join(format!(".{key}.partial"));
    let built = remove(&partial).and_then(|()| {
        let tools = labtools::gather(&search_path());
        if let Some((_, reason)) = tools.left_out.iter().find(|(tool, _)| *tool == "sh") {
            bail!("a lab needs a shell: {reason}");
        }
        labtree::build(&partial, &tools, program)?;
        fs::rename(&partial, &path)
            .with_context(|| format!("rename {} to {}", partial.display(), path.display()))
    });
    if let Err(error) = built {
        // What went wrong first is worth reporting; what remains, the next attempt removes.
        let _removed = remove(&partial);
        return Err(if is_full(&error) {
            error.context(format!(
                "no space left for the lab in {}: free some there, or choose another directory with --root",
                store.display()
            ))
        } else {
            error.context(format!("cannot make the lab in {}", store.display()))
        });
    }
    hold(&path, 0)?
        .with_context(|| format!("{} was removed as soon as it was made", path.display()))
}

/// The promised tools that this host cannot give.
pub fn missing() -> Vec<&'static str> {
    left_out().into_iter().map(|(tool, _)| tool).filter(|tool| PROMISED.contains(tool)).collect()
}

/// Every tool, promised or welcome, that this host cannot give, with the reason and what to do about it.
pub fn left_out() -> Vec<(&'static str, String)> {
    labtools::gather(&labtools::search_path()).left_out
}

/// Removes every lab under `data` that nobody holds, and half-made ones left by a kill -9.
pub fn remove_all(data: &Path) -> Result<Removed> {
    let store = store(data)?;
    let mut outcome = Removed::default();
    if !store.exists() {
        return Ok(outcome);
    }
    let _builder = lock_store(&store)?;
    for entry in fs::read_dir(&store).with_context(|| format!("read {}", store.display()))? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if !entry.file_type()?.is_dir() {
            continue;
        }
        // A shared lock on it means that somebody runs there. A dotted name was never in use.
        let dotted = name.as_encoded_bytes().starts_with(b".");
        let Some(directory) = open_directory(&path)? else {
            continue;
        };
        if !flock(&directory, &path, libc::LOCK_EX | libc::LOCK_NB)? || has_mounts(&path)? {
            outcome.in_use.push(path);
            continue;
        }
        if dotted {
            remove(&path)?;
        } else {
            // Renamed first: a kill in the middle must not leave a torn lab under a name that `ensure` trusts.
            let doomed = store.join(format!(".{}.gone", name.display()));
            remove(&doomed)?;
            fs::rename(&path, &doomed).with_context(|| format!("rename {}", path.display()))?;
            remove(&doomed)?;
        }
        outcome.removed.push(path);
    }
    if outcome.in_use.is_empty() {
        fs::remove_file(store.join(".lock"))
            .with_context(|| format!("remove {}/.lock", store.display()))?;
        // Somebody who waited for the lock may be at work here again already, and then it stays.
        let _emptied = fs::remove_dir(&store);
    }
    Ok(outcome)
}

/// Takes the shared lock on a lab that is there; none if it is not, or (with LOCK_NB) is just being
/// removed. Who has locked the store may wait: nobody can be removing then.
fn hold(path: &Path, wait: libc::c_int) -> Result<Option<Lab>> {
    let Some(lock) = open_directory(path)? else {
        return Ok(None);
    };
    // Between our open and our lock `clean` may have removed it: then the path names something else or nothing.
    if !flock(&lock, path, libc::LOCK_SH | wait)? || !still_named(&lock, path)? {
        return Ok(None);
    }
    Ok(Some(Lab { path: path.to_owned(), lock }))
}

/// Waits until this process alone may build and remove labs in `store`; the lock ends with the file.
fn lock_store(store: &Path) -> Result<File> {
    let path = store.join(".lock");
    loop {
        fs::create_dir_all(store).with_context(|| format!("create {}", store.display()))?;
        let file = match OpenOptions::new().create(true).truncate(false).write(true).open(&path) {
            Ok(file) => file,
            // `clean` removed the directory after we made sure of it.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
        };
        // `clean` removes the lock file too; a lock on a file that no longer has its name protects nothing.
        if flock(&file, &path, libc::LOCK_EX)? && still_named(&file, &path)? {
            return Ok(file);
        }
    }
}

/// Opens a directory, none if there is none.
fn open_directory(path: &Path) -> Result<Option<File>> {
    match OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW)
        .open(path)
    {
        Ok(directory) => Ok(Some(directory)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("open {}", path.display())),
    }
}

/// flock(2); false if it would have to wait and was told not to. nix's guard is not used: it unlocks
/// when dropped, also for a forked keeper that shares the open file and still needs the lock.
fn flock(file: &File, path: &Path, operation: libc::c_int) -> Result<bool> {
    loop {
        // SAFETY: flock takes two integers, and `file` is open while it is borrowed.
        if unsafe { libc::flock(file.as_raw_fd(), operation) } == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            ErrorKind::Interrupted => {}
            ErrorKind::WouldBlock => return Ok(false),
            _ => return Err(error).with_context(|| format!("flock {}", path.display())),
        }
    }
}

/// Whether the path still leads to the file that we have open.
fn still_named(file: &File, path: &Path) -> Result<bool> {
    let open = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok(named.dev() == open.dev() && named.ino() == open.ino()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("stat {}", path.display())),
    }
}

/// Removes a directory if it is there.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Whether something is mounted inside, say by a learner's `mount --bind /dev LAB/dev`: removing the
/// lab would empty the host's directory.
fn has_mounts(path: &Path) -> Result<bool> {
    let table = fs::read("/proc/self/mountinfo").context("read /proc/self/mountinfo")?;
    // The fifth field is the mount point, written with these escapes (proc_pid_mountinfo(5)).
    let escapes = [("\\", "\\134"), (" ", "\\040"), ("\t", "\\011"), ("\n", "\\012")];
    let path = fs::canonicalize(path)?.to_string_lossy().into_owned();
    let path = escapes.iter().fold(path, |path, (plain, escaped)| path.replace(plain, escaped));
    let table = String::from_utf8_lossy(&table);
    Ok(table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .any(|point| Path::new(point).starts_with(&path)))
}

/// Whether the error comes from a full disk or a used-up quota.
fn is_full(error: &anyhow::Error) -> bool {
    let kinds = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded];
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| kinds.contains(&cause.kind()))
}

#[cfg(test)]
mod tests;
