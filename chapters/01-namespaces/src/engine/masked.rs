//! Paths in /proc and /sys that no namespace covers: what is in them is the machine's. They are
//! hidden or locked, as Docker does (maskedPaths and readonlyPaths in the OCI runtime
//! specification).

use anyhow::Result;
use kernel::mount::attribute::{NO_DEV, NO_EXEC, NO_SUID, READ_ONLY};
use kernel::{Errno, mount};
use std::ffi::CStr;

/// What no container should see.
pub const MASKED: [&CStr; 12] = [
    c"/proc/acpi",
    c"/proc/asound",
    c"/proc/interrupts",
    c"/proc/kcore",
    c"/proc/keys",
    c"/proc/latency_stats",
    c"/proc/sched_debug",
    c"/proc/scsi",
    c"/proc/timer_list",
    c"/proc/timer_stats",
    c"/sys/devices/virtual/powercap",
    c"/sys/firmware",
];

/// What changes the whole machine when it is written to.
pub const READ_ONLY_PATHS: [&CStr; 5] =
    [c"/proc/bus", c"/proc/fs", c"/proc/irq", c"/proc/sys", c"/proc/sysrq-trigger"];

/// Hides the first list and locks the second, in the root of this process.
pub fn hide_and_lock() -> Result<()> {
    MASKED.into_iter().try_for_each(hide)?;
    READ_ONLY_PATHS.into_iter().try_for_each(lock)
}

/// Hides a path: a directory under an empty one, a file under /dev/null. What this kernel does
/// not have needs no hiding.
fn hide(path: &CStr) -> Result<()> {
    let metadata = match std::fs::metadata(path.to_str()?) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata?,
    };
    let cover = if metadata.is_dir() {
        let attributes = READ_ONLY | NO_SUID | NO_DEV | NO_EXEC;
        mount::new_file_system(c"tmpfs", c"tmpfs", &[(c"size", c"0")], attributes)?
    } else {
        mount::clone_mount(c"/dev/null")?
    };
    Ok(mount::attach_at(cover, path)?)
}

/// Mounts a path on itself, read-only.
fn lock(path: &CStr) -> Result<()> {
    let tree = match mount::clone_tree_at(path) {
        Err(error) if error.errno == Errno::ENOENT => return Ok(()),
        tree => tree?,
    };
    mount::make_tree_read_only(&tree)?;
    Ok(mount::attach_at(tree, path)?)
}
