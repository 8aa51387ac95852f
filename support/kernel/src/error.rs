//! What a failed kernel call says: the call, its arguments, the errno and, where the cause is
//! known, what to try. Worded here once, for every chapter (errno(3)).

use nix::errno::Errno;
use std::fmt;

/// The result of a wrapper of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A kernel call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The system call's name, as in section 2 of the manual.
    pub call: &'static str,
    /// Its arguments, as `--explain` prints them.
    pub arguments: String,
    /// The reason that the kernel gave.
    pub errno: Errno,
}

impl Error {
    /// What to try, where the cause of this failure is known.
    pub fn remedy(&self) -> Option<&'static str> {
        remedy(self.call, self.errno)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Error { call, arguments, errno } = self;
        write!(f, "{call}({arguments}): {}", describe(*errno))
    }
}

impl std::error::Error for Error {}

/// An errno as a person reads it: `Operation not permitted (EPERM)`.
pub fn describe(errno: Errno) -> String {
    format!("{} ({errno:?})", errno.desc())
}

fn remedy(call: &str, errno: Errno) -> Option<&'static str> {
    Some(match (call, errno) {
        ("clone3" | "open_tree", Errno::EPERM) => {
            "namespaces need root: use sudo, or --rootless where the kernel allows user namespaces"
        }
        ("clone3", Errno::ENOSPC) => {
            "a limit on namespaces is reached: see /proc/sys/user/max_*_namespaces"
        }
        ("clone3", Errno::EAGAIN) => {
            "the limit on processes is reached: see `ulimit -u` and /proc/sys/kernel/threads-max"
        }
        ("clone3" | "mount_setattr" | "open_tree", Errno::ENOSYS) => {
            "this kernel is too old: Linux 5.15 or newer is needed"
        }
        ("pivot_root", Errno::EINVAL) => {
            "pivot_root(2) does not work from an initial ramdisk: switch to a real root first"
        }
        ("fsmount" | "fsconfig", Errno::EPERM) => {
            "an outer container hides part of /proc or /sys from this one: run outside of it, or \
             without --rootless if you are root in it"
        }
        ("mkdirat", Errno::EROFS | Errno::EACCES) => {
            "create the directories proc, sys and dev in the root yourself: it cannot be written"
        }
        ("mkdirat", Errno::ENOSPC | Errno::EDQUOT) => "free some space there",
        ("setresuid" | "setresgid", Errno::EINVAL) => {
            "this id is not mapped in the lab box: install newuidmap (package uidmap) and give \
             your account a range in /etc/subuid and /etc/subgid, or run as root"
        }
        ("sethostname", Errno::EINVAL) => "a host name has at most 64 bytes",
        ("execve", Errno::E2BIG) => {
            "arguments and environment together may fill a quarter of the stack limit: \
             raise `ulimit -s`, or pass the data in a file"
        }
        _ => return None,
    })
}
