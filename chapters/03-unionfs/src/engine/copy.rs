//! The other driver: a container's root is a copy of all its layers. It needs nothing of the kernel and
//! works where overlay does not; and it costs the time and the space that overlay saves.

use crate::engine::pack::pack_union;
use crate::engine::stack::Directory;
use crate::unpack::unpack;
use crate::whiteout::Spelling;
use anyhow::{Context, Result};
use kernel::{mount, path};
use namespaces::plan::{Phase, Plan};
use std::ffi::CString;
use std::fs;
use std::io::PipeWriter;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// Plans the copy, and that it becomes the root.
pub(crate) fn plan(lower: Vec<PathBuf>, copy: PathBuf, spelling: Spelling, plan: &mut Plan) {
    let to = copy.clone();
    plan.step(
        Phase::Prepare,
        "copy the layers",
        "what this container writes is in its copy, and no other container's",
        move || {
            // A container that is started again has its copy already.
            if to.exists() { Ok(()) } else { make(&lower, &to, spelling) }
        },
    );
    let root = plan.root.clone();
    plan.step(
        Phase::Prepare,
        "clone the mount of the copy, detached",
        "pivot_root wants a mount; a detached one is seen by nobody and vanishes with us",
        move || {
            let directory = path::open_root(&CString::new(copy.as_os_str().as_bytes())?)?;
            root.put(mount::clone_tree(&directory, c"")?);
            Ok(mount::make_detached_tree_private(root.get())?)
        },
    );
}

/// Copies the union of these layers: what `export` writes, unpacked again.
// LAB 03.6 copy: all that the union shows, as it shows it, complete or not there at all
fn make(lower: &[PathBuf], to: &PathBuf, spelling: Spelling) -> Result<()> {
    let union = Directory::root(lower, spelling)?;
    let partial = to.with_extension("partial");
    super::remove::tree(&partial)?;
    fs::create_dir(&partial).with_context(|| partial.display().to_string())?;
    let nothing = Directory::root(&[] as &[PathBuf], spelling)?;
    let (archive, out) = std::io::pipe().context("pipe")?;
    let write = move |out: PipeWriter| pack_union(&union, out, None);
    let writer = std::thread::spawn(move || write(out));
    let unpacked = unpack(archive, &partial, &nothing, spelling);
    let packed = writer.join().map_err(|_| anyhow::anyhow!("the packing thread panicked"))?;
    alone()?;
    // If unpacking failed, packing found nobody to read on: the first is the reason.
    unpacked?;
    packed?;
    fs::rename(&partial, to).with_context(|| to.display().to_string())
}

/// Waits until the kernel, too, has done with the thread: one that was joined may be counted for a moment
/// yet, and who has two threads cannot clone.
fn alone() -> Result<()> {
    for _ in 0..1000 {
        if fs::read_dir("/proc/self/task").context("/proc/self/task")?.count() == 1 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    anyhow::bail!("the packing thread does not end")
}
