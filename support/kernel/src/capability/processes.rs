//! The calls by which a container's first process is made, watched and joined: clone3(2),
//! pidfd_open(2), pidfd_send_signal(2), waitid(2), and openat2(2), by which names are resolved.

use super::{Found, Refused};
use crate::process::{self, Cloned, Exit};
use crate::signal::Signal;
use nix::unistd::Pid;

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

/// Whether a new namespace is really another one: its number is not the parent's.
pub fn is_other(namespace: crate::namespace::Namespace, outside: Option<u64>) -> Found {
    match namespace.inode(Pid::this()) {
        inside if inside.is_some() && inside != outside => Ok("can be made".into()),
        _ => Err(Refused::new("the new one is the old one")),
    }
}
