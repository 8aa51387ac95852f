//! ROOT on the command line: `lab`, or a directory by its path.

use crate::config::Root;
use crate::engine::labroot::{self, Lab};
use crate::engine::refuse;
use crate::engine::run::c_string;
use anyhow::Result;
use console::failure::Failure;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Whether it is the path of a directory.
pub fn is_path(root: &OsStr) -> bool {
    matches!(root.as_bytes().first(), Some(b'.' | b'/'))
}

/// Opens what ROOT means: a directory, or, given the place where it is kept, the lab, which is held
/// as long as the container runs.
pub fn open(root: &OsStr, data: Option<&Path>) -> Result<(Root, Option<Lab>)> {
    if let Some(data) = data {
        let lab = labroot::ensure(data, probe::PROGRAM, probe::ID).map_err(refuse::lab)?;
        return Ok((open_directory(lab.path.clone())?, Some(lab)));
    }
    if !is_path(root) {
        let failure = Failure::new(format!("{root:?} is neither `lab` nor a directory's path"));
        let shown = root.to_string_lossy();
        let remedy = format!("write ./{shown} for a directory; images come in a later chapter");
        return Err(failure.remedy(remedy).into());
    }
    Ok((open_directory(PathBuf::from(root))?, None))
}

fn open_directory(path: PathBuf) -> Result<Root> {
    use kernel::Errno;
    let directory = kernel::path::open_root(&c_string(path.as_os_str()));
    let directory = directory.map_err(|error| match error.errno {
        Errno::ENOENT => Failure::new(format!("the root {} does not exist", path.display()))
            .remedy("name a directory that holds a root file system, or use `lab`")
            .into(),
        Errno::ENOTDIR => Failure::new(format!("the root {} is not a directory", path.display()))
            .remedy("unpack it into a directory first, or use `lab`")
            .into(),
        _ => anyhow::Error::from(error).context(format!("the root {}", path.display())),
    })?;
    Ok(Root { path, directory: Some(directory) })
}
