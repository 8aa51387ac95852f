//! Single calls that reach for what is not ours: each is one system call, and its answer.

use core::ffi::CStr;

use super::sys;
use super::text::number;
use super::{Failure, at};

/// kill(2).
pub(crate) fn kill(pid: &'static CStr, signal: i32) -> Result<(), Failure> {
    sys::kill(process(pid)?, signal).map_err(at("kill", pid))
}

/// ptrace(2): a tracer reads and writes all memory of the other. The kernel lets go at our exit.
pub(crate) fn ptrace(pid: &'static CStr) -> Result<(), Failure> {
    sys::seize(process(pid)?).map_err(at("ptrace", pid))
}

/// sethostname(2).
pub(crate) fn hostname(name: &'static CStr) -> Result<(), Failure> {
    sys::set_host_name(name).map_err(at("sethostname", name))
}

/// mount(2) with MS_BIND.
pub(crate) fn mount(source: &'static CStr, target: &'static CStr) -> Result<(), Failure> {
    sys::bind_mount(source, target).map_err(at("mount", target))
}

/// umount2(2).
pub(crate) fn umount(target: &'static CStr) -> Result<(), Failure> {
    sys::unmount(target).map_err(at("umount", target))
}

/// One process: to kill(2), zero and negative numbers are groups, or everyone.
fn process(pid: &CStr) -> Result<i32, Failure> {
    number(pid).ok().filter(|pid| *pid > 0).ok_or(Failure::Misuse)
}
