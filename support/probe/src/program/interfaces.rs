//! `interfaces`: what the network namespace holds, from /proc/net/dev and netdevice(7).
//!
//! A new namespace has `lo` alone, and that is down.

use core::ffi::CStr;

use super::sys::{self, Descriptor};
use super::text::Output;
use super::{Failure, at};

const FILE: &CStr = c"/proc/net/dev";

/// Prints `NAME up` or `NAME down` for each.
pub(crate) fn interfaces(out: &mut Output) -> Result<(), Failure> {
    let file = Descriptor::open(FILE).map_err(at("open", FILE))?;
    // Any socket answers questions about interfaces.
    let socket = sys::socket().map_err(at("socket", c""))?;
    let mut buffer = [0; 4096];
    let mut used = 0;
    loop {
        let count = sys::read(&file, &mut buffer[used..]).map_err(at("read", FILE))?;
        if count == 0 {
            return Ok(());
        }
        used += count;
        let mut start = 0;
        while let Some(length) = buffer[start..used].iter().position(|byte| *byte == b'\n') {
            interface(&buffer[start..start + length], &socket, out)?;
            start += length + 1;
        }
        // The beginning of a line whose end is still to be read.
        buffer.copy_within(start..used, 0);
        used -= start;
    }
}

/// A line is `  NAME: numbers`; the two lines of the heading have no colon.
fn interface(line: &[u8], socket: &Descriptor, out: &mut Output) -> Result<(), Failure> {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return Ok(());
    };
    let name = line[..colon].trim_ascii();
    let state: &[u8] = match sys::interface_is_up(socket, name) {
        Ok(true) => b" up\n",
        Ok(false) => b" down\n",
        // It was removed since the file was read.
        Err(sys::Errno::ENODEV) => return Ok(()),
        Err(errno) => return Err(at("ioctl SIOCGIFFLAGS", c"")(errno)),
    };
    out.bytes(name)?;
    out.bytes(state)
}
