//! `orphans`: processes whose parent is gone belong to PID 1, which must wait for them; `daemons`: such ones that stay.
//!
//! ```text
//! probe ── fork ──▶ parent ── fork × N ──▶ wait at the gate
//!   │ wait ◀── exit ──┘                        │  (now children of PID 1)
//!   └ close the gate ────────────────────────▶ exit: zombies, until PID 1 reaps them
//! ```

use core::ffi::CStr;
use core::fmt::Write;

use super::sys::{self, Descriptor, Errno, Fork};
use super::text::Output;
use super::{Failure, at, directory};

const PROC: &CStr = c"/proc";

/// Makes `count` orphans that exit; prints how many zombies /proc shows once they are reaped, or
/// after two seconds.
pub(crate) fn orphans(count: u32, out: &mut Output) -> Result<(), Failure> {
    let (gate, opener) = sys::pipe().map_err(at("pipe2", c""))?;
    let parent = match sys::fork().map_err(at("fork", c""))? {
        Fork::Parent(child) => child,
        Fork::Child => {
            drop(opener);
            // The exit code carries the errno of what failed; 0 for none.
            sys::exit(bear(count, &gate).map_or_else(|errno| errno.0, |()| 0));
        }
    };
    match sys::wait(parent).map_err(at("wait4", c""))? {
        0 => {}
        errno => return Err(at("fork", c"")(Errno(errno))),
    }
    writeln!(out, "orphans={count}")?;
    out.flush()?;
    drop(opener);

    // A zombie is still a member of its process group, which is gone when all are reaped.
    for _ in 0..200 {
        if sys::kill(-parent, 0) == Err(Errno::ESRCH) {
            break;
        }
        sys::sleep(0, 10_000_000).map_err(at("nanosleep", c""))?;
    }
    Ok(writeln!(out, "zombies={}", zombies()?)?)
}

/// Leaves `count` processes that do what daemons do to get away: forked twice, in sessions of their own. They sleep until
/// somebody ends them; this one stays until something comes from standard input.
pub(crate) fn daemons(count: u32, out: &mut Output) -> Result<(), Failure> {
    for _ in 0..count {
        match sys::fork().map_err(at("fork", c""))? {
            Fork::Parent(child) => _ = sys::wait(child).map_err(at("wait4", c""))?,
            Fork::Child => {
                let left = sys::lead_session().and_then(|()| sys::fork());
                while let Ok(Fork::Child) = left {
                    // An error would be a signal's, after which it sleeps on.
                    let _ = sys::sleep(600, 0);
                }
                sys::exit(0);
            }
        }
    }
    writeln!(out, "daemons={count}")?;
    out.flush()?;
    sys::wait_for_input();
    Ok(())
}

/// In the parent-to-be: a process group for all, then the children.
fn bear(count: u32, gate: &Descriptor) -> Result<(), Errno> {
    sys::lead_process_group()?;
    for _ in 0..count {
        if let Fork::Child = sys::fork()? {
            sys::wait_for_end(gate);
            sys::exit(0);
        }
    }
    Ok(())
}

/// The processes in state Z in /proc.
fn zombies() -> Result<u32, Failure> {
    let proc = Descriptor::open(PROC).map_err(at("open", PROC))?;
    let mut count = 0;
    directory::entries(&proc, at("getdents64", PROC), |name| {
        if name.to_bytes().iter().all(u8::is_ascii_digit) && state(&proc, name) == Ok(b'Z') {
            count += 1;
        }
        Ok(())
    })?;
    Ok(count)
}

/// The state in /proc/PID/stat, which follows the command's name. That is in brackets, and may
/// itself contain some. An error means that the process ended meanwhile.
fn state(proc: &Descriptor, pid: &CStr) -> Result<u8, Errno> {
    let process = proc.open_path_in(pid)?;
    let file = process.open_in(c"stat")?;
    let mut buffer = [0; 256];
    let count = sys::read(&file, &mut buffer)?;
    let bracket = buffer[..count].iter().rposition(|byte| *byte == b')').ok_or(Errno::ESRCH)?;
    buffer.get(bracket + 2).copied().ok_or(Errno::ESRCH)
}
