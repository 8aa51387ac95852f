//! The loopback interface of a new network namespace is there, but down (netdevice(7)).

use crate::descriptor::take_new;
use crate::error::Result;
use crate::explain::call;
use nix::errno::Errno;
use std::os::fd::AsRawFd;

/// Brings `lo` up in the network namespace that this process is in. The kernel gives it
/// 127.0.0.1 and ::1 by itself.
pub fn loopback_up() -> Result<()> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    let socket = call(
        "socket",
        || "AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, 0".into(),
        // SAFETY: three integers.
        || take_new(unsafe { libc::socket(libc::AF_INET, kind, 0) }.into()),
    )?;
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    call(
        "ioctl",
        || format!("{}, SIOCSIFFLAGS, {{ifr_name=\"lo\", ifr_flags=IFF_UP}}", socket.as_raw_fd()),
        || {
            // SAFETY: SIOCSIFFLAGS reads an ifreq.
            let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request) };
            Errno::result(done).map(drop)
        },
    )
}
