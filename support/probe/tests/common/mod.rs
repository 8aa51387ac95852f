//! The program as a file that can be run, and its answer as text.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

/// Written once, before any test forks: a child that inherits the writing end even for a moment
/// makes execve fail with ETXTBSY. The name is gone at once, the file stays while it is open.
static PROGRAM: LazyLock<File> = LazyLock::new(|| {
    let path = temporary("program");
    write_program(&path);
    let file = File::open(&path).expect("the program opens");
    fs::remove_file(&path).expect("its name is removed");
    file
});

/// A path in the temporary directory that no other process uses.
pub(crate) fn temporary(what: &str) -> PathBuf {
    std::env::temp_dir().join(format!("probe-test-{}-{what}", std::process::id()))
}

/// Writes the program, executable by everyone.
pub(crate) fn write_program(path: &Path) {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o755).open(path).expect("a new file");
    file.write_all(probe::PROGRAM).expect("the program is written");
}

/// The program as an open file.
pub(crate) fn program() -> File {
    PROGRAM.try_clone().expect("one more descriptor")
}

/// `probe ARGUMENTS`, with arguments separated by spaces.
pub(crate) fn probe(arguments: &str) -> Command {
    let mut command = Command::new(format!("/proc/self/fd/{}", PROGRAM.as_raw_fd()));
    command.args(arguments.split_whitespace());
    command
}

/// What the command wrote and its exit code, as a shell session would show them.
pub(crate) fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}
