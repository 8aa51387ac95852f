//! Names inside a root that is not ours: resolved by openat2(2) so that neither `..` nor a
//! symbolic link leads out of it, and files made beside a descriptor instead of along a path.

use crate::descriptor::take_new;
use crate::error::Result;
use crate::explain::{call, descriptor, flags};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, fchownat};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Opens a directory as the root that other names are resolved in, without reading it.
pub fn open_root(path: &CStr) -> Result<OwnedFd> {
    let how = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    openat2(libc::AT_FDCWD, path, how, 0)
}

/// Opens a file for reading, every link in its name resolved as the container would see it. A
/// FIFO does not block, a terminal does not become ours.
pub fn open_file_in_root(root: impl AsFd, path: &CStr) -> Result<OwnedFd> {
    let how = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    openat2(
        root.as_fd().as_raw_fd(),
        path,
        how,
        libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS,
    )
}

/// Opens what a name in a root leads to without reading it (O_PATH): neither a device nor a FIFO notices.
/// A symbolic link in the last place is itself what is opened, unless it is to be followed.
pub fn open_in_root(root: impl AsFd, path: &CStr, follow: bool) -> Result<OwnedFd> {
    let how = libc::O_PATH | libc::O_CLOEXEC | if follow { 0 } else { libc::O_NOFOLLOW };
    let resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
    openat2(root.as_fd().as_raw_fd(), path, how, resolve)
}

/// Opens a device in a root for reading and writing, following no link at all.
pub fn open_device_in_root(root: impl AsFd, path: &CStr) -> Result<OwnedFd> {
    let how = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    openat2(root.as_fd().as_raw_fd(), path, how, libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_SYMLINKS)
}

/// Opens the directory in a root where something is to be mounted. A symbolic link is refused
/// (ELOOP): whoever wrote it would choose where the mount goes.
pub fn open_mount_point(root: impl AsFd, path: &CStr) -> Result<OwnedFd> {
    open_place(root, path, libc::O_DIRECTORY)
}

/// The same for a file that another file is to be mounted on.
pub fn open_mount_point_file(root: impl AsFd, path: &CStr) -> Result<OwnedFd> {
    open_place(root, path, 0)
}

fn open_place(root: impl AsFd, path: &CStr, kind: i32) -> Result<OwnedFd> {
    let how = libc::O_PATH | libc::O_CLOEXEC | kind;
    openat2(root.as_fd().as_raw_fd(), path, how, libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_SYMLINKS)
}

fn openat2(dir: RawFd, path: &CStr, how: i32, resolve: u64) -> Result<OwnedFd> {
    // EAGAIN: something was renamed or mounted somewhere meanwhile, and the kernel could not be
    // certain that `..` stayed below the root.
    loop {
        match openat2_once(dir, path, how, resolve) {
            Err(error) if error.errno == Errno::EAGAIN => continue,
            opened => return opened,
        }
    }
}

fn openat2_once(dir: RawFd, path: &CStr, how: i32, resolve: u64) -> Result<OwnedFd> {
    // SAFETY: all-zero is a valid open_how, and the only way to make one: it may grow.
    let mut open_how: libc::open_how = unsafe { std::mem::zeroed() };
    open_how.flags = how as u64;
    open_how.resolve = resolve;
    call(
        "openat2",
        || {
            let how = flags(
                how as u64,
                &[
                    (libc::O_PATH as u64, "O_PATH"),
                    (libc::O_RDWR as u64, "O_RDWR"),
                    (libc::O_DIRECTORY as u64, "O_DIRECTORY"),
                    (libc::O_NONBLOCK as u64, "O_NONBLOCK"),
                    (libc::O_NOCTTY as u64, "O_NOCTTY"),
                    (libc::O_NOFOLLOW as u64, "O_NOFOLLOW"),
                    (libc::O_CLOEXEC as u64, "O_CLOEXEC"),
                ],
            );
            let resolve = flags(
                resolve,
                &[
                    (libc::RESOLVE_IN_ROOT, "RESOLVE_IN_ROOT"),
                    (libc::RESOLVE_NO_SYMLINKS, "RESOLVE_NO_SYMLINKS"),
                    (libc::RESOLVE_NO_MAGICLINKS, "RESOLVE_NO_MAGICLINKS"),
                ],
            );
            format!("{}, {path:?}, {{flags={how}, resolve={resolve}}}", descriptor(dir))
        },
        || {
            let size = size_of_val(&open_how);
            // SAFETY: path is a C string, open_how a structure of the size given.
            take_new(unsafe {
                libc::syscall(libc::SYS_openat2, dir, path.as_ptr(), &open_how, size)
            })
        },
    )
}

/// Makes a directory beside `dir`; false if one was there already.
pub fn make_directory(dir: impl AsFd, name: &CStr, mode: u32) -> Result<bool> {
    let dir = dir.as_fd();
    let made = call(
        "mkdirat",
        || format!("{}, {name:?}, 0{mode:o}", dir.as_raw_fd()),
        || nix::sys::stat::mkdirat(dir, name, Mode::from_bits_truncate(mode)),
    );
    match made {
        Err(error) if error.errno == Errno::EEXIST => Ok(false),
        made => made.map(|()| true),
    }
}

/// Gives what lies beside `dir` to this user and group (chown(2)).
pub fn set_owner(dir: impl AsFd, name: &CStr, uid: u32, gid: u32) -> Result<()> {
    let (dir, user, group) = (dir.as_fd(), Uid::from_raw(uid), Gid::from_raw(gid));
    call(
        "fchownat",
        || format!("{}, {name:?}, {uid}, {gid}, 0", dir.as_raw_fd()),
        || fchownat(dir, name, Some(user), Some(group), AtFlags::empty()),
    )
}

/// Sets the permissions of what lies beside `dir`, whatever the caller's mask is (chmod(2)).
pub fn set_mode(dir: impl AsFd, name: &CStr, mode: u32) -> Result<()> {
    use nix::sys::stat::{FchmodatFlags, fchmodat};
    let (dir, bits) = (dir.as_fd(), Mode::from_bits_truncate(mode));
    call(
        "fchmodat",
        || format!("{}, {name:?}, 0{mode:o}", dir.as_raw_fd()),
        || fchmodat(dir, name, bits, FchmodatFlags::FollowSymlink),
    )
}

/// Makes a character device node beside `dir` (null(4), full(4), random(4), tty(4)).
pub fn make_device(dir: BorrowedFd, name: &CStr, major: u64, minor: u64) -> Result<()> {
    use nix::sys::stat::{SFlag, makedev, mknodat};
    let device = makedev(major, minor);
    call(
        "mknodat",
        || format!("{}, {name:?}, S_IFCHR|0666, makedev({major}, {minor})", dir.as_raw_fd()),
        || mknodat(dir, name, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), device),
    )
}

/// Makes an empty file beside `dir`: a place to mount another file on.
pub fn make_file(dir: BorrowedFd, name: &CStr) -> Result<()> {
    use nix::sys::stat::{SFlag, mknodat};
    call(
        "mknodat",
        || format!("{}, {name:?}, S_IFREG|0666, 0", dir.as_raw_fd()),
        || mknodat(dir, name, SFlag::S_IFREG, Mode::from_bits_truncate(0o666), 0),
    )
}

/// Makes a symbolic link beside `dir`.
pub fn make_link(target: &CStr, dir: BorrowedFd, name: &CStr) -> Result<()> {
    call(
        "symlinkat",
        || format!("{target:?}, {}, {name:?}", dir.as_raw_fd()),
        || nix::unistd::symlinkat(target, dir, name),
    )
}

/// Makes `path` the working directory.
pub fn change_directory(path: &CStr) -> Result<()> {
    call("chdir", || format!("{path:?}"), || nix::unistd::chdir(path))
}

/// Makes an open directory the working directory.
pub fn change_directory_to(dir: impl AsFd) -> Result<()> {
    let dir = dir.as_fd();
    call("fchdir", || dir.as_raw_fd().to_string(), || nix::unistd::fchdir(dir))
}
