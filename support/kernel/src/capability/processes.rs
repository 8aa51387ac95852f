//! The calls by which a container's first process is made, watched and joined: clone3(2),
//! pidfd_open(2), pidfd_send_signal(2), waitid(2), and openat2(2), by which names are resolved.

use super::{Found, Refused};
use crate::namespace::Namespace;
use crate::process::{self, Cloned, Exit};
use crate::signal::Signal;

/// Makes a child, ends it by its pidfd, collects it.
pub fn calls() -> Found {
    match process::clone(&[])? {
        Cloned::Child => loop {
            nix::unistd::pause();
        },
        Cloned::Parent(child) => {
            let again = process::open(child.pid)?;
            process::send_signal(&again, Signal::SIGKILL)?;
            let exit = process::wait(&child)?;
            if exit != Exit::Signal(Signal::SIGKILL as u8) {
                return Err(Refused::new(format!("a killed child ended with {exit:?}")));
            }
        }
    }
    crate::path::open_root(c"/")?;
    Ok("clone3, pidfd_open, pidfd_send_signal, waitid, openat2".into())
}

/// The number of the namespace of this kind that we are in. By way of /proc/self: in a new PID
/// namespace our own number means somebody else in a /proc that was mounted before.
pub fn own(namespace: Namespace) -> Option<u64> {
    let link = std::fs::read_link(format!("/proc/self/ns/{}", namespace.name())).ok()?;
    // The link reads `uts:[4026531838]`.
    link.to_str()?.split_once('[')?.1.strip_suffix(']')?.parse().ok()
}

/// Whether a new namespace is really another one than `outside`. A PID namespace is that of the
/// child, as is every other but time, which takes in only children of whoever made it.
pub fn is_other(namespace: Namespace, outside: Option<u64>) -> Found {
    match own(namespace) {
        inside if inside.is_some() && inside != outside => Ok("can be made".into()),
        _ => Err(Refused::new("the new one is the old one")),
    }
}
