//! `report`: who and where this process is, as the kernel tells it, one `key=value` a line.
//!
//! Seen from inside a container and beside it, each line shows one namespace at work.

use core::fmt::Write;

use super::sys::{self, Descriptor, Errno};
use super::text::Output;
use super::{Failure, at, directory};

pub(crate) fn report(out: &mut Output) -> Result<(), Failure> {
    writeln!(out, "pid={}", sys::process_id())?;
    writeln!(out, "ppid={}", sys::parent_id())?;
    writeln!(out, "uid={}", sys::user_id())?;
    writeln!(out, "gid={}", sys::group_id())?;
    writeln!(out, "euid={}", sys::effective_user_id())?;
    groups(out)?;
    let mut names = [0; sys::SYSTEM_NAMES];
    field(out, "hostname", sys::host_name(&mut names))?;
    let mut path = [0; sys::PATH];
    field(out, "cwd", sys::working_directory(&mut path))?;
    writeln!(out, "session={}", sys::session_id())?;
    writeln!(out, "no_new_privs={}", sys::no_new_privileges())?;
    namespaces(out)?;
    for (number, name) in ["stdin", "stdout", "stderr"].into_iter().enumerate() {
        let link = [c"/proc/self/fd/0", c"/proc/self/fd/1", c"/proc/self/fd/2"][number];
        field(out, name, sys::read_link(None, link, &mut path))?;
    }
    // Of standard input: the one descriptor that tests and shells seldom redirect by accident.
    match sys::window_size(0) {
        Ok((rows, columns)) => writeln!(out, "tty=yes {rows}x{columns}")?,
        Err(_) => writeln!(out, "tty=no")?,
    }
    Ok(())
}

/// The supplementary groups, with commas between.
fn groups(out: &mut Output) -> Result<(), Failure> {
    let mut buffer = [0; 256];
    let groups = sys::groups(&mut buffer).map_err(at("getgroups", c""))?;
    out.write_str("groups=")?;
    for (index, group) in groups.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(out, "{comma}{group}")?;
    }
    Ok(out.write_str("\n")?)
}

/// A namespace has no name but its inode: two processes share one where these lines are equal.
fn namespaces(out: &mut Output) -> Result<(), Failure> {
    const DIRECTORY: &core::ffi::CStr = c"/proc/self/ns";
    let Ok(directory) = Descriptor::open(DIRECTORY) else {
        return Ok(out.write_str("ns=unreadable\n")?);
    };
    directory::entries(&directory, at("getdents64", DIRECTORY), |name| {
        let mut target = [0; 64];
        let target = sys::read_link(Some(&directory), name, &mut target);
        out.write_str("ns/")?;
        out.bytes(name.to_bytes())?;
        field(out, "", target)
    })
}

/// One line. Paths and host names are bytes: they need not be UTF-8.
fn field(out: &mut Output, key: &str, value: Result<&[u8], Errno>) -> Result<(), Failure> {
    write!(out, "{key}=")?;
    out.bytes(value.unwrap_or(b"unreadable"))?;
    out.bytes(b"\n")
}
