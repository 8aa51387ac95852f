//! Why a command could not be executed. The kernel says "No such file" of a script whose
//! interpreter is missing, and of a program whose loader is: here it is found out which.

use crate::engine::elf;
use crate::engine::failed::Failed;
use crate::program::STEP;
use console::failure::Failure;
use kernel::{Errno, Error};
use std::ffi::{CStr, OsStr};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Whether there is a file of this name, even a dangling link, or one that we may not look at.
pub fn exists(path: &CStr) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let file = std::fs::symlink_metadata(to_path(path));
    !file.is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory))
}

/// The file is there, and the kernel refused it.
pub fn not_executed(error: &Error, candidate: &CStr) -> Failed {
    let path = to_path(candidate);
    let (why, remedy) = why(path, error.errno);
    let failure = Failure {
        message: format!("exec: {path:?}: {why}"),
        remedy: error.remedy().map(String::from).or(remedy),
        code: None,
    };
    failed(error.errno, failure)
}

/// There is no such file.
pub fn not_found(name: &CStr) -> Failed {
    let name = name.to_string_lossy();
    let (what, remedy) = if name.contains('/') {
        ("no such file in the container", "names begin at the container's root: look what is there")
    } else {
        ("executable file not found in $PATH", "give its full path, or set PATH with -e")
    };
    failed(Errno::ENOENT, Failure::new(format!("exec: {name:?}: {what}")).remedy(remedy))
}

fn failed(errno: Errno, failure: Failure) -> Failed {
    Failed { call: "execve".into(), errno: errno as i32, ..Failed::at(STEP, &failure.into()) }
}

fn why(path: &Path, errno: Errno) -> (String, Option<String>) {
    let is_directory = path.is_dir();
    match errno {
        Errno::EACCES if is_directory => {
            ("is a directory".into(), Some("name a program in it".into()))
        }
        Errno::EACCES => (
            "permission denied".into(),
            Some("is it executable (chmod +x), and may this user reach it?".into()),
        ),
        Errno::ENOENT | Errno::ENOTDIR => match needs(path) {
            Some(needed) => (
                format!("it needs {needed:?} to run, and the root has no such file"),
                Some("put that file into the root, or run a static program".into()),
            ),
            None => (
                "it points to a file that the root does not have".into(),
                Some("links are followed inside the root: look where it points".into()),
            ),
        },
        Errno::ENOEXEC => (
            "exec format error: neither a program for this machine nor a script with #!".into(),
            Some("look at it with file(1)".into()),
        ),
        errno => (kernel::error::describe(errno), None),
    }
}

/// The interpreter that a file names: that of a script, or the loader of a program.
fn needs(path: &Path) -> Option<PathBuf> {
    let mut head = [0; 256];
    let count = std::fs::File::open(path).ok()?.read(&mut head).ok()?;
    if let Some(line) = head[..count].strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next()?.trim_ascii();
        let interpreter = line.split(|byte| byte.is_ascii_whitespace()).next()?;
        return Some(Path::new(OsStr::from_bytes(interpreter)).to_owned());
    }
    elf::Elf::read(path).ok()?.interpreter
}

fn to_path(name: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(name.to_bytes()))
}
