//! Finding the command in the container's PATH and executing it (execve(2), environ(7)).

use crate::config::Process;
use crate::engine::{diagnose, failed::Failed};
use kernel::Errno;
use std::ffi::{CStr, CString};

/// The name of the last step: its failures mean 126 or 127, not 125.
pub const STEP: &str = "execute the command";

/// Becomes the command. Returns only if that fails.
pub fn execute(process: &Process) -> Failed {
    let name = process.arguments[0].as_c_str();
    let mut denied = None;
    // What is not there is passed over first: execve says ENOENT of a missing interpreter, too.
    for path in candidates(name, &process.environment).filter(|path| diagnose::exists(path)) {
        let error = kernel::process::execute(&path, &process.arguments, &process.environment);
        // As in a shell: another directory of PATH may have one that we may execute.
        if error.errno != Errno::EACCES {
            return diagnose::not_executed(&error, &path);
        }
        denied = denied.or(Some((error, path)));
    }
    match denied {
        Some((error, path)) => diagnose::not_executed(&error, &path),
        None => diagnose::not_found(name),
    }
}

/// The paths to try: the name itself if it has a slash, otherwise it in each directory of PATH.
fn candidates(name: &CStr, environment: &[CString]) -> impl Iterator<Item = CString> {
    let (direct, path) = match name.to_bytes() {
        [] => (None, None),
        bytes if bytes.contains(&b'/') => (Some(name.to_owned()), None),
        _ => (None, environment.iter().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH="))),
    };
    let directories = path.map(|path| path.split(|byte| *byte == b':')).into_iter().flatten();
    direct.into_iter().chain(directories.filter_map(|directory| {
        // An empty entry of PATH is the working directory.
        let directory = if directory.is_empty() { b"." } else { directory };
        CString::new([directory, b"/", name.to_bytes()].concat()).ok()
    }))
}
