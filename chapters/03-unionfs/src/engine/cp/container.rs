//! A container's root for `cp`, whether it runs or not.
//!
//! | | to read | to write |
//! |---|---|---|
//! | it runs | /proc/PID/root of its first process | the same |
//! | it does not | the union of its layers, without a mount | its root, mounted as for a run, and by nobody else |

use crate::container::{Driver, Record};
use crate::engine::changes::Roots;
use crate::engine::cp::root::Root;
use crate::engine::live::{self, Place, Status};
use crate::engine::root_lock::RootLock;
use crate::engine::store::Store;
use crate::engine::{copy, records};
use crate::overlay::Overlay;
use anyhow::Result;
use console::failure::Failure;
use console::options::Global;
use kernel::{Errno, path};
use namespaces::engine::spaces;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long one that is said to run may have no process that we can see.
const PATIENCE: Duration = Duration::from_secs(10);

/// A container, open.
pub(crate) struct Container {
    /// Its files.
    pub(crate) root: Root,
    /// How marks are spelled in its layers.
    pub(crate) store: Store,
    /// Whether it runs: its root has other file systems mounted in it then.
    pub(crate) runs: bool,
    /// Nobody starts it while we write. After the root: the mount goes first.
    _lock: Option<RootLock>,
}

/// Opens one to read from it. From here on we are root, without being it in the lab box.
pub(crate) fn to_read(global: &Global, text: &str) -> Result<Container> {
    let (record, access) = find(global, text, false)?;
    let store = Store::enter(global)?;
    let lower = store.lower(&record)?;
    let own = record.directory(&store.root);
    let (root, runs) = match access {
        Access::Running(root) => (Root::Open(root), true),
        Access::Stopped(_) => {
            (Root::Union(Roots::of(&record, &own, &lower, store.spelling)?.whole), false)
        }
    };
    Ok(Container { root, store, runs, _lock: None })
}

/// Opens one to write into it.
pub(crate) fn to_write(global: &Global, text: &str) -> Result<Container> {
    let (record, access) = find(global, text, true)?;
    if record.settings.read_only {
        let failure = Failure::new("container rootfs is marked read-only");
        return Err(failure.remedy("make a container without --read-only").into());
    }
    let store = Store::enter(global)?;
    let lower = store.lower(&record)?;
    let own = record.directory(&store.root);
    let (root, lock) = match access {
        Access::Running(root) => (root, None),
        Access::Stopped(lock) if record.driver == Driver::Copy => {
            let copied = own.join("fs");
            copy::make_once(&lower, &copied, store.spelling)?;
            (path::open_root(&CString::new(copied.as_os_str().as_bytes())?)?, lock)
        }
        Access::Stopped(lock) => {
            // What is written in here has to last until it is started, and after that.
            let record = Record { auto_remove: false, ..record };
            let overlay = Overlay { record: Some(record), lower, own };
            overlay.make_upper()?;
            (overlay.mount()?, lock)
        }
    };
    let runs = lock.is_none();
    Ok(Container { root: Root::Open(root), store, runs, _lock: lock })
}

/// How its files can be reached.
enum Access {
    /// With this root.
    Running(OwnedFd),
    /// Nobody mounts its root, if we have asked for that.
    Stopped(Option<RootLock>),
}

/// Before the lab box: from in there, who runs outside of it cannot be seen.
fn find(global: &Global, text: &str, alone: bool) -> Result<(Record, Access)> {
    let root = Store::outside(global)?.root;
    let record = records::find(&root, text)?;
    let mut deadline = Instant::now() + PATIENCE;
    loop {
        // First the lock, then a look: who has it runs it, or writes into it as we would.
        let lock = if alone { RootLock::take(&record.directory(&root))? } else { None };
        let status = live::look(&root, &record)?.0;
        if status != Status::Running && (lock.is_some() || !alone) {
            return Ok((record, Access::Stopped(lock)));
        }
        drop(lock);
        if let Some(opened) = root_of_first_process(&root, &record)? {
            return Ok((record, Access::Running(opened)));
        }
        if matches!(status, Status::Created | Status::Exited) {
            // Somebody else copies into it, for as long as that takes.
            deadline = Instant::now() + PATIENCE;
        }
        if Instant::now() > deadline {
            let failure = Failure::new(format!("container {text} runs, and has no process here"));
            return Err(failure.remedy(format!("`stop {text}` first")).into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The root that a container's first process sees; none if there is no such process.
fn root_of_first_process(root: &Path, record: &Record) -> Result<Option<OwnedFd>> {
    let live = Place::of(root, &record.id).read()?.unwrap_or_default();
    let Some(pid) = live::first_process(record, &live) else { return Ok(None) };
    kernel::explain::heading(
        "parent",
        "open the container's root",
        "by the descriptor, names in there lead to what is in there, whatever becomes of the process",
    );
    let opened = match path::open_root(&CString::new(format!("/proc/{pid}/root"))?) {
        Err(error) if matches!(error.errno, Errno::ENOENT | Errno::ESRCH) => return Ok(None),
        Err(error) if error.errno == Errno::EACCES => {
            let failure = Failure::new(format!("container {} is not yours", record.name));
            return Err(anyhow::Error::from(error).context(failure.remedy("use sudo")));
        }
        opened => opened?,
    };
    // It may have ended in between, and its number may be another's.
    Ok((spaces::container_of(pid).as_deref() == Some(&record.id)).then_some(opened))
}
