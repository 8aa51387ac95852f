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
    for candidate in candidates(name, &process.environment) {
        let error = kernel::process::execute(&candidate, &process.arguments, &process.environment);
        // ENOENT also means that the file is there and its interpreter is not.
        let there = diagnose::exists(&candidate);
        match error.errno {
            Errno::ENOENT | Errno::ENOTDIR if !there => {}
            // As a shell does: another directory of PATH may have one that we may execute.
            Errno::EACCES => denied = denied.or(Some((error, candidate))),
            _ => return diagnose::not_executed(&error, &candidate),
        }
    }
    match denied {
        Some((error, candidate)) => diagnose::not_executed(&error, &candidate),
        None => diagnose::not_found(name),
    }
}

/// The paths to try: the name itself if it has a slash, otherwise it in each directory of PATH.
fn candidates(name: &CStr, environment: &[CString]) -> Vec<CString> {
    if name.to_bytes().contains(&b'/') {
        return vec![name.to_owned()];
    }
    if name.is_empty() {
        return Vec::new();
    }
    let path = environment.iter().rev().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH="));
    path.unwrap_or_default()
        .split(|byte| *byte == b':')
        .filter_map(|directory| {
            // An empty entry of PATH is the working directory.
            let directory = if directory.is_empty() { b"." } else { directory };
            CString::new([directory, b"/", name.to_bytes()].concat()).ok()
        })
        .collect()
}
