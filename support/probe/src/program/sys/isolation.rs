//! What namespaces and roots keep apart: roots, mounts, the host name, interfaces.

use core::ffi::CStr;

use super::{Descriptor, Errno, Result, call, number};

/// chroot(2).
pub(crate) fn change_root(path: &CStr) -> Result<()> {
    // SAFETY: `path` ends with a zero.
    unsafe { call(number::CHROOT, [path.as_ptr() as usize]) }.map(drop)
}

/// mount(2) with MS_BIND.
pub(crate) fn bind_mount(source: &CStr, target: &CStr) -> Result<()> {
    const MS_BIND: usize = 4096;
    let arguments = [source.as_ptr() as usize, target.as_ptr() as usize, 0, MS_BIND, 0];
    // SAFETY: both paths end with a zero; a bind mount reads neither type nor data.
    unsafe { call(number::MOUNT, arguments) }.map(drop)
}

/// umount2(2) without flags.
pub(crate) fn unmount(target: &CStr) -> Result<()> {
    // SAFETY: `target` ends with a zero.
    unsafe { call(number::UMOUNT2, [target.as_ptr() as usize, 0]) }.map(drop)
}

/// sethostname(2).
pub(crate) fn set_host_name(name: &CStr) -> Result<()> {
    let name = name.to_bytes();
    // SAFETY: the kernel reads the slice's length.
    unsafe { call(number::SETHOSTNAME, [name.as_ptr() as usize, name.len()]) }.map(drop)
}

/// A datagram socket, as a handle for questions about interfaces (netdevice(7)).
pub(crate) fn socket() -> Result<Descriptor> {
    const AF_INET: usize = 2;
    const SOCK_DGRAM_CLOEXEC: usize = 2 | 0o2_000_000;
    // SAFETY: the arguments are numbers.
    unsafe { call(number::SOCKET, [AF_INET, SOCK_DGRAM_CLOEXEC, 0]) }.map(Descriptor::new)
}

/// SIOCGIFFLAGS: whether the interface is up. ENODEV if there is none of that name.
pub(crate) fn interface_is_up(socket: &Descriptor, name: &[u8]) -> Result<bool> {
    const SIOCGIFFLAGS: usize = 0x8913;
    const IFF_UP: u8 = 1;
    // A `struct ifreq`: 16 bytes of name, then a union that here is the flags.
    let mut request = [0_u8; 40];
    // The last byte of the name must stay zero.
    request[..15].get_mut(..name.len()).ok_or(Errno::ENODEV)?.copy_from_slice(name);
    let arguments = [socket.raw(), SIOCGIFFLAGS, request.as_mut_ptr() as usize];
    // SAFETY: the kernel reads and writes the size of a `struct ifreq`.
    unsafe { call(number::IOCTL, arguments) }?;
    // Both architectures are little-endian: the lowest flag is in the first byte.
    Ok(request[16] & IFF_UP != 0)
}
