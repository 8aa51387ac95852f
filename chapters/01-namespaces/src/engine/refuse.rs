//! The words of refusals: failures whose cause is known well enough to say what to try.

use console::failure::Failure;
use kernel::{Errno, Error};
use std::ffi::CStr;
use std::path::Path;

/// A place in the root where something cannot be mounted.
pub fn mount_point(error: Error, path: &Path) -> anyhow::Error {
    let path = path.display();
    let failure = match error.errno {
        Errno::ELOOP => Failure::new(format!(
            "{path} is a symbolic link: the container's mounts would go where it points"
        )),
        Errno::ENOTDIR => Failure::new(format!("{path} is not a directory")),
        _ => return error.into(),
    };
    failure.remedy("remove it: an empty directory is made in its place").into()
}

/// A terminal that cannot be had.
pub fn terminal(error: Error) -> anyhow::Error {
    if error.errno != Errno::ENOSPC {
        return error.into();
    }
    Failure::new("no pseudoterminal is left")
        .remedy("close some, or raise /proc/sys/kernel/pty/max, or run without -t")
        .into()
}

/// What to do about a place for our files that is none.
pub const ELSEWHERE: &str = "name a directory that you can write to with --root, or MINIDOCK_ROOT";

/// A working directory that cannot be entered.
pub fn working_directory(error: Error, directory: &CStr) -> anyhow::Error {
    let what = match error.errno {
        Errno::ENOENT => "does not exist in the root",
        Errno::ENOTDIR => "is not a directory",
        Errno::EACCES => "may not be entered by this user",
        _ => return error.into(),
    };
    Failure::new(format!("{directory:?} {what}"))
        .remedy("name another with -w, or make it in the root first")
        .into()
}

/// A working directory that leads out of the container.
pub fn outside(directory: &CStr) -> anyhow::Error {
    Failure::new(format!("{directory:?} is outside of the container's root"))
        .remedy("name a directory of the root with -w")
        .into()
}

/// A lab root that cannot be made or opened.
pub fn lab(error: anyhow::Error) -> anyhow::Error {
    use std::io::ErrorKind::{NotADirectory, PermissionDenied, ReadOnlyFilesystem};
    let kind = error.root_cause().downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    if matches!(kind, Some(NotADirectory | PermissionDenied | ReadOnlyFilesystem)) {
        let failure = Failure::new("make the lab root");
        return error.context(failure.remedy(ELSEWHERE));
    }
    error.context("make the lab root")
}
