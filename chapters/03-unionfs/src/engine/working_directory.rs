//! `-w` and an image's: a working directory that no layer has is made in the container's own, as in Docker.

use kernel::{Errno, path};
use namespaces::config::Config;
use namespaces::plan::{Phase, Plan};
use std::ffi::{CString, OsStr};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Where the kernel's file systems will be: nothing is to be made below them.
const OF_THE_KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Adds the step, unless it is a directory that every root has. By then there is a root.
pub(crate) fn plan(config: &Config, plan: &mut Plan) {
    let (directory, root) = (config.process.directory.clone(), plan.root.clone());
    let wanted = Path::new(OsStr::from_bytes(directory.as_bytes()));
    if wanted == "/" || OF_THE_KERNEL.iter().any(|own| wanted.starts_with(own)) {
        return;
    }
    plan.step(
        Phase::Prepare,
        "make the working directory",
        "if no layer has it: an image may name one and leave it to others to make it",
        move || {
            let wanted = Path::new(OsStr::from_bytes(directory.as_bytes()));
            make(root.get(), wanted)
        },
    );
}

/// With those that lead to it. What cannot be made is no failure yet: who goes there will say so.
fn make(root: impl AsFd, wanted: &Path) -> anyhow::Result<()> {
    let open = |path: &Path| -> anyhow::Result<_> {
        Ok(path::open_in_root(&root, &CString::new(path.as_os_str().as_bytes())?, true))
    };
    if open(wanted)?.is_ok() {
        return Ok(());
    }
    let mut inside = open(Path::new("/"))??;
    let mut parts: Vec<&Path> = wanted.ancestors().collect();
    parts.pop();
    for part in parts.into_iter().rev() {
        inside = match open(part)? {
            Ok(there) => there,
            Err(error) if error.errno == Errno::ENOENT => {
                let Some(name) = part.file_name() else { return Ok(()) };
                let name = CString::new(name.as_bytes())?;
                if path::make_directory(&inside, &name, 0o755).is_err() {
                    return Ok(());
                }
                // Not less, also where the mask of the caller is strict.
                path::set_mode(&inside, &name, 0o755)?;
                let Ok(made) = open(part)? else { return Ok(()) };
                made
            }
            Err(_) => return Ok(()),
        };
    }
    Ok(())
}
