//! What is to run: everything that was asked for, resolved to values before any side effect.
//! Command-line options are only its first source; later chapters keep it in a record.

use kernel::namespace::Namespace;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// One container.
#[derive(Debug)]
pub struct Config {
    /// 64 hexadecimal digits, of which people see the first 12.
    pub id: String,
    /// Where its files are.
    pub root: Root,
    /// Nothing in the root can be written.
    pub read_only: bool,
    /// The name it gives itself; none if it shares the host's.
    pub hostname: Option<String>,
    /// The kinds of namespace that it shares with the host instead of having its own.
    pub shared: Vec<Namespace>,
    /// Its first process.
    pub process: Process,
}

/// A directory that becomes a container's root.
#[derive(Debug)]
pub struct Root {
    /// Its name, for messages: it may be another directory's by the time we act.
    pub path: PathBuf,
    /// The directory itself, open since it was looked up; none where a later chapter's mechanism
    /// makes the root of something else.
    pub directory: Option<OwnedFd>,
}

/// The command that a container runs, or that joins one.
#[derive(Debug)]
pub struct Process {
    /// The command and its arguments; the first is looked up in PATH unless it has a slash.
    pub arguments: Vec<CString>,
    /// `NAME=value`, and nothing of the host's that was not asked for.
    pub environment: Vec<CString>,
    /// Where it starts.
    pub directory: CString,
    /// Who it is.
    pub user: User,
    /// It has a terminal of the container's own.
    pub terminal: bool,
    /// It can read our standard input.
    pub interactive: bool,
    /// It runs below a small init, which is PID 1 in its place.
    pub init: bool,
}

/// A user by numbers, which are all that the kernel knows (credentials(7)).
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary group ids.
    pub groups: Vec<u32>,
    /// Home directory, from the root's own passwd(5).
    pub home: String,
}

impl Config {
    /// Whether the container has its own namespace of this kind.
    pub fn has_own(&self, namespace: Namespace) -> bool {
        !self.shared.contains(&namespace)
    }
}
