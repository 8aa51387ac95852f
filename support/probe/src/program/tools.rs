//! `fds`, `sleep` and `cat`: what a root without a shell still needs; `halt`: what a virtual machine's init does last.

use core::ffi::CStr;
use core::fmt::Write;

use super::sys::{self, Descriptor};
use super::text::{Output, number};
use super::{Failure, at, directory};

/// Every open descriptor, without the one that lists them.
pub(crate) fn descriptors(out: &mut Output) -> Result<(), Failure> {
    const DIRECTORY: &CStr = c"/proc/self/fd";
    let directory = Descriptor::open(DIRECTORY).map_err(at("open", DIRECTORY))?;
    directory::entries(&directory, at("getdents64", DIRECTORY), |name| {
        if number::<i32>(name).ok() == Some(directory.number()) {
            return Ok(());
        }
        let mut target = [0; sys::PATH];
        let target = sys::read_link(Some(&directory), name, &mut target)
            .map_err(at("readlink", DIRECTORY))?;
        out.bytes(name.to_bytes())?;
        out.write_str(" -> ")?;
        out.bytes(target)?;
        out.bytes(b"\n")
    })
}

/// nanosleep(2).
pub(crate) fn sleep(seconds: i64) -> Result<(), Failure> {
    sys::sleep(seconds, 0).map_err(at("nanosleep", c""))
}

/// Prints a file.
pub(crate) fn cat(file: &'static CStr, out: &mut Output) -> Result<(), Failure> {
    let descriptor = Descriptor::open(file).map_err(at("open", file))?;
    let mut buffer = [0; 4096];
    loop {
        match sys::read(&descriptor, &mut buffer).map_err(at("read", file))? {
            0 => return Ok(()),
            count => out.bytes(&buffer[..count])?,
        }
    }
}

/// Says that user space is reached, and ends the machine or the container that this is the first
/// process of. Anywhere else root would restart the machine of whoever tries it.
pub(crate) fn halt(out: &mut Output) -> Result<(), Failure> {
    if sys::process_id() != 1 {
        return Err(Failure::Misuse);
    }
    out.write_str("probe: init\n")?;
    out.flush()?;
    sys::restart().map_err(at("reboot", c""))
}
