//! Namespaces: what each kind is called, and how to join those of another process
//! (namespaces(7), setns(2)).

use crate::error::Result;
use crate::explain::{call, flags};
use nix::errno::Errno;
use nix::unistd::Pid;
use std::os::fd::{AsFd, AsRawFd};

/// A kind of namespace, as files in /proc/PID/ns name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// Control groups (cgroup_namespaces(7)).
    Cgroup,
    /// System V objects and POSIX message queues (ipc_namespaces(7)).
    Ipc,
    /// The mount tree (mount_namespaces(7)).
    Mount,
    /// Interfaces, addresses, routes, ports (network_namespaces(7)).
    Network,
    /// Process numbers (pid_namespaces(7)).
    Pid,
    /// The monotonic and boot-time clocks (time_namespaces(7)).
    Time,
    /// User and group ids, and what root may do (user_namespaces(7)).
    User,
    /// Host name and domain name (uts_namespaces(7)).
    Uts,
}

impl Namespace {
    /// Every kind that Linux has.
    pub const ALL: [Namespace; 8] = {
        use Namespace::*;
        [Cgroup, Ipc, Mount, Network, Pid, Time, User, Uts]
    };

    /// The words for clone3 and setns, bit by bit.
    pub(crate) const CLONE_FLAGS: &[(u64, &'static str)] = &[
        (libc::CLONE_NEWUSER as u64, "CLONE_NEWUSER"),
        (libc::CLONE_NEWUTS as u64, "CLONE_NEWUTS"),
        (libc::CLONE_NEWPID as u64, "CLONE_NEWPID"),
        (libc::CLONE_NEWNS as u64, "CLONE_NEWNS"),
        (libc::CLONE_NEWIPC as u64, "CLONE_NEWIPC"),
        (libc::CLONE_NEWNET as u64, "CLONE_NEWNET"),
        (libc::CLONE_NEWCGROUP as u64, "CLONE_NEWCGROUP"),
        (NEW_TIME, "CLONE_NEWTIME"),
    ];

    /// The name of the file in /proc/PID/ns.
    pub fn name(self) -> &'static str {
        match self {
            Namespace::Cgroup => "cgroup",
            Namespace::Ipc => "ipc",
            Namespace::Mount => "mnt",
            Namespace::Network => "net",
            Namespace::Pid => "pid",
            Namespace::Time => "time",
            Namespace::User => "user",
            Namespace::Uts => "uts",
        }
    }

    /// The bit that asks clone3(2) for a new one, or setns(2) for another process's.
    pub fn flag(self) -> u64 {
        match self {
            Namespace::Cgroup => libc::CLONE_NEWCGROUP as u64,
            Namespace::Ipc => libc::CLONE_NEWIPC as u64,
            Namespace::Mount => libc::CLONE_NEWNS as u64,
            Namespace::Network => libc::CLONE_NEWNET as u64,
            Namespace::Pid => libc::CLONE_NEWPID as u64,
            Namespace::Time => NEW_TIME,
            Namespace::User => libc::CLONE_NEWUSER as u64,
            Namespace::Uts => libc::CLONE_NEWUTS as u64,
        }
    }

    /// The number of this kind's namespace that a process is in; two processes share one if and
    /// only if the numbers are equal. None if the process is gone, or is not ours to look at.
    pub fn inode(self, pid: Pid) -> Option<u64> {
        let link = std::fs::read_link(format!("/proc/{pid}/ns/{}", self.name())).ok()?;
        // The link reads `uts:[4026531838]`.
        link.to_str()?.split_once('[')?.1.strip_suffix(']')?.parse().ok()
    }
}

/// CLONE_NEWTIME, which the libc crate lacks for some targets.
const NEW_TIME: u64 = 0x80;

/// Joins namespaces of the process behind a pidfd, all in one call (Linux 5.8). Its PID
/// namespace takes in only children that are made afterwards.
pub fn join(pidfd: impl AsFd, namespaces: &[Namespace]) -> Result<()> {
    let pidfd = pidfd.as_fd().as_raw_fd();
    let joined: u64 = namespaces.iter().map(|namespace| namespace.flag()).fold(0, |a, b| a | b);
    call(
        "setns",
        || format!("{pidfd}, {}", flags(joined, Namespace::CLONE_FLAGS)),
        // SAFETY: two integers.
        || Errno::result(unsafe { libc::setns(pidfd, joined as i32) }).map(drop),
    )
}

/// Sets the host name of the UTS namespace that this process is in (sethostname(2)).
pub fn set_hostname(name: &str) -> Result<()> {
    call("sethostname", || format!("{name:?}, {}", name.len()), || nix::unistd::sethostname(name))
}

/// Leaves the mount namespace for a copy of it (unshare(2)): what is mounted from here on, nobody else
/// sees, once the copy has been made private.
pub fn enter_new_mounts() -> Result<()> {
    call(
        "unshare",
        || "CLONE_NEWNS".into(),
        || nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS),
    )
}
