//! `escape`: out of a chroot, the classic way (chroot(2) itself describes it).
//!
//! chroot moves a process's root, not its working directory. A process that is outside its root
//! meets no root on its way up, so `..` leads to the real top. After pivot_root(2) there is
//! nothing above: the same steps end where they began.

use core::ffi::CStr;

use super::sys::{self, Descriptor, Errno};
use super::text::Output;
use super::{Failure, at, tools};

const DIRECTORY: &CStr = c"/probe-escape";

/// Prints `file` as it is in the topmost root that can be reached.
pub(crate) fn escape(file: &'static CStr, out: &mut Output) -> Result<(), Failure> {
    // The directory has no path once the root has moved; this descriptor can still remove it.
    let root = Descriptor::open_path(c"/").map_err(at("open", c"/"))?;
    match sys::make_directory(DIRECTORY) {
        // One that is left from an escape that was killed serves as well.
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(at("mkdir", DIRECTORY)(errno)),
    }
    let result = break_out();
    // It may be gone, or the root read-only by now: it holds nothing, and the escape counts.
    let _ = sys::remove_directory(&root, c"probe-escape");
    result?;
    tools::cat(file, out)
}

fn break_out() -> Result<(), Failure> {
    // No chdir with it: the working directory is above the new root from here on.
    sys::change_root(DIRECTORY).map_err(at("chroot", DIRECTORY))?;
    // Above the topmost directory is itself, so a step too many does no harm.
    for _ in 0..64 {
        sys::change_directory(c"..").map_err(at("chdir", c".."))?;
    }
    sys::change_root(c".").map_err(at("chroot", c"."))
}
