//! POSIX shared memory and message queues, as files in /dev (shm_overview(7), mq_overview(7)).

use anyhow::Result;
use kernel::mount::attribute::{NO_DEV, NO_EXEC, NO_SUID};
use kernel::{Errno, mount};
use std::ffi::CStr;
use std::os::fd::OwnedFd;

const ATTRIBUTES: u64 = NO_SUID | NO_DEV | NO_EXEC;

/// Shared memory. No IPC namespace covers it: sharing the host's takes the host's directory.
pub fn shared_memory(own: bool) -> Result<OwnedFd> {
    if !own {
        return Ok(mount::clone_mount(c"/dev/shm")?);
    }
    let options: [(&CStr, &CStr); 2] = [(c"mode", c"1777"), (c"size", c"65536k")];
    Ok(mount::new_file_system(c"tmpfs", c"shm", &options, ATTRIBUTES)?)
}

/// The message queues of our IPC namespace. In the lab box, the host's is not ours to mount: then
/// what the host has mounted, if it has.
pub fn message_queues(own: bool) -> Result<Option<OwnedFd>> {
    match mount::new_file_system(c"mqueue", c"mqueue", &[], ATTRIBUTES) {
        Err(error) if error.errno == Errno::EPERM && !own => {
            Ok(mount::clone_mount(c"/dev/mqueue").ok())
        }
        made => Ok(Some(made?)),
    }
}
