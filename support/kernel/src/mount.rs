//! Mounts by the calls of Linux 5.2 and newer: a mount is first a descriptor that nobody else can
//! see, is given its attributes, and only then attached somewhere (mount_setattr(2), move_mount(2),
//! open_tree(2), fsopen(2)). If the process dies before, it is simply gone.

use crate::descriptor::take_new;
use crate::error::Result;
use crate::explain::{call, flags};
use nix::errno::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Attributes of one mount (mount_setattr(2)), to be or-ed together.
pub mod attribute {
    /// Nothing can be written through this mount.
    pub const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
    /// Set-user-ID bits of the programs in it count for nothing.
    pub const NO_SUID: u64 = libc::MOUNT_ATTR_NOSUID;
    /// Device nodes in it open no device.
    pub const NO_DEV: u64 = libc::MOUNT_ATTR_NODEV;
    /// Programs in it cannot be executed.
    pub const NO_EXEC: u64 = libc::MOUNT_ATTR_NOEXEC;
}

const ATTRIBUTES: &[(u64, &str)] = &[
    (libc::MOUNT_ATTR_RDONLY, "MOUNT_ATTR_RDONLY"),
    (libc::MOUNT_ATTR_NOSUID, "MOUNT_ATTR_NOSUID"),
    (libc::MOUNT_ATTR_NODEV, "MOUNT_ATTR_NODEV"),
    (libc::MOUNT_ATTR_NOEXEC, "MOUNT_ATTR_NOEXEC"),
];

/// Takes the mount tree below `path` out of every peer group: nothing that is mounted in it from
/// now on propagates to, or comes from, another namespace (mount_namespaces(7)).
pub fn make_tree_private(path: &CStr) -> Result<()> {
    set_attributes(libc::AT_FDCWD, path, libc::AT_RECURSIVE, 0, libc::MS_PRIVATE)
}

/// The same for a detached tree.
pub fn make_detached_tree_private(tree: impl AsFd) -> Result<()> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    set_attributes(tree.as_fd().as_raw_fd(), c"", flags, 0, libc::MS_PRIVATE)
}

/// Makes a mount and all that is mounted in it read-only: without the recursion a file system
/// below would stay writable.
pub fn make_tree_read_only(tree: impl AsFd) -> Result<()> {
    restrict_tree(tree, attribute::READ_ONLY)
}

/// Gives a mount and all that is mounted in it further attributes.
pub fn restrict_tree(tree: impl AsFd, attributes: u64) -> Result<()> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    set_attributes(tree.as_fd().as_raw_fd(), c"", flags, attributes, 0)
}

fn set_attributes(dir: RawFd, path: &CStr, at: i32, set: u64, propagation: u64) -> Result<()> {
    let attributes = libc::mount_attr { attr_set: set, attr_clr: 0, propagation, userns_fd: 0 };
    call(
        "mount_setattr",
        || {
            let at = flags(
                at as u64,
                &[
                    (libc::AT_EMPTY_PATH as u64, "AT_EMPTY_PATH"),
                    (libc::AT_RECURSIVE as u64, "AT_RECURSIVE"),
                ],
            );
            let set = flags(set, ATTRIBUTES);
            let propagation = flags(propagation, &[(libc::MS_PRIVATE, "MS_PRIVATE")]);
            let dir = crate::explain::descriptor(dir);
            format!("{dir}, {path:?}, {at}, {{attr_set={set}, propagation={propagation}}}")
        },
        // SAFETY: path is a C string and attributes a structure of the size given.
        || unsafe {
            Errno::result(libc::syscall(
                libc::SYS_mount_setattr,
                dir,
                path.as_ptr(),
                at,
                &attributes,
                size_of_val(&attributes),
            ))
            .map(drop)
        },
    )
}

/// Clones the mount at `path` and everything mounted below it, detached: a bind mount that is
/// nowhere yet. A relative path starts at `dir`; an empty one is `dir` itself.
pub fn clone_tree(dir: impl AsFd, path: &CStr) -> Result<OwnedFd> {
    open_tree(dir.as_fd().as_raw_fd(), path, libc::AT_RECURSIVE as u32)
}

/// The same for an absolute path.
pub fn clone_tree_at(path: &CStr) -> Result<OwnedFd> {
    open_tree(libc::AT_FDCWD, path, libc::AT_RECURSIVE as u32)
}

/// Clones the mount at an absolute path, without what is mounted below it.
pub fn clone_mount(path: &CStr) -> Result<OwnedFd> {
    open_tree(libc::AT_FDCWD, path, 0)
}

fn open_tree(dir: RawFd, path: &CStr, recursive: u32) -> Result<OwnedFd> {
    let empty = if path.is_empty() { libc::AT_EMPTY_PATH as u32 } else { 0 };
    let how = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | recursive | empty;
    call(
        "open_tree",
        || {
            let how = flags(
                how.into(),
                &[
                    (libc::OPEN_TREE_CLONE.into(), "OPEN_TREE_CLONE"),
                    (libc::OPEN_TREE_CLOEXEC.into(), "OPEN_TREE_CLOEXEC"),
                    (libc::AT_EMPTY_PATH as u64, "AT_EMPTY_PATH"),
                    (libc::AT_RECURSIVE as u64, "AT_RECURSIVE"),
                ],
            );
            format!("{}, {path:?}, {how}", crate::explain::descriptor(dir))
        },
        // SAFETY: path is a C string.
        || take_new(unsafe { libc::syscall(libc::SYS_open_tree, dir, path.as_ptr(), how) }),
    )
}

/// A setting of a file system that is being made (fsconfig(2)).
#[derive(Debug, Clone, Copy)]
pub enum Setting<'a> {
    /// A word that stands alone.
    Flag(&'a CStr),
    /// A name and its value.
    Text(&'a CStr, &'a CStr),
}

/// Makes a file system of type `kind` with mount `options` and attributes, detached. `source` is
/// what /proc/self/mountinfo will show as its device.
pub fn new_file_system(
    kind: &CStr,
    source: &CStr,
    options: &[(&CStr, &CStr)],
    attributes: u64,
) -> Result<OwnedFd> {
    let settings: Vec<Setting> =
        options.iter().map(|(name, value)| Setting::Text(name, value)).collect();
    new_file_system_with(kind, source, &settings, attributes)
}

/// The same with settings of every kind, given in this order.
pub fn new_file_system_with(
    kind: &CStr,
    source: &CStr,
    settings: &[Setting],
    attributes: u64,
) -> Result<OwnedFd> {
    let context = call(
        "fsopen",
        || format!("{kind:?}, FSOPEN_CLOEXEC"),
        || {
            // SAFETY: kind is a C string.
            take_new(unsafe {
                libc::syscall(libc::SYS_fsopen, kind.as_ptr(), libc::FSOPEN_CLOEXEC)
            })
        },
    )?;
    configure(context.as_fd(), Some(Setting::Text(c"source", source)))?;
    for setting in settings {
        configure(context.as_fd(), Some(*setting))?;
    }
    configure(context.as_fd(), None)?;
    call(
        "fsmount",
        || {
            let attributes = flags(attributes, ATTRIBUTES);
            format!("{}, FSMOUNT_CLOEXEC, {attributes}", context.as_raw_fd())
        },
        || {
            let (context, attributes) = (context.as_raw_fd(), attributes as u32);
            // SAFETY: three integers.
            take_new(unsafe {
                libc::syscall(libc::SYS_fsmount, context, libc::FSMOUNT_CLOEXEC, attributes)
            })
        },
    )
}

/// Makes one setting of a file system that is being made, or, without one, makes it.
fn configure(context: BorrowedFd, setting: Option<Setting>) -> Result<()> {
    let null = std::ptr::null();
    let (command, word, key, value) = match setting {
        Some(Setting::Flag(key)) => {
            (libc::FSCONFIG_SET_FLAG, "FSCONFIG_SET_FLAG", key.as_ptr(), null)
        }
        Some(Setting::Text(key, value)) => {
            (libc::FSCONFIG_SET_STRING, "FSCONFIG_SET_STRING", key.as_ptr(), value.as_ptr())
        }
        None => (libc::FSCONFIG_CMD_CREATE, "FSCONFIG_CMD_CREATE", null, null),
    };
    call(
        "fsconfig",
        || {
            let context = context.as_raw_fd();
            match setting {
                Some(Setting::Flag(key)) => format!("{context}, {word}, {key:?}, NULL, 0"),
                Some(Setting::Text(key, value)) => {
                    format!("{context}, {word}, {key:?}, {value:?}, 0")
                }
                None => format!("{context}, {word}, NULL, NULL, 0"),
            }
        },
        // SAFETY: key and value are C strings or null, as the command demands.
        || unsafe {
            let context = context.as_raw_fd();
            Errno::result(libc::syscall(libc::SYS_fsconfig, context, command, key, value, 0))
                .map(drop)
        },
    )
}

/// Mounts a new file system at an absolute path, in the way that is older than descriptors
/// (mount(2)): all its options are one string of less than a page.
pub fn mount_at(kind: &CStr, source: &CStr, path: &CStr, options: &CStr) -> Result<()> {
    call(
        "mount",
        || format!("{source:?}, {path:?}, {kind:?}, 0, {options:?}"),
        // SAFETY: four C strings.
        || unsafe {
            let options = options.as_ptr().cast();
            let (source, path, kind) = (source.as_ptr(), path.as_ptr(), kind.as_ptr());
            Errno::result(libc::mount(source, path, kind, 0, options)).map(drop)
        },
    )
}

/// Attaches a detached mount at the directory or file that `target` is open on. No name is
/// looked up, so nobody can swap it for a symbolic link.
pub fn attach(mount: impl AsFd, target: impl AsFd) -> Result<()> {
    let target = target.as_fd().as_raw_fd();
    let how = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount.as_fd().as_raw_fd(), target, c"", how)
}

/// Attaches a detached mount at an absolute path.
pub fn attach_at(mount: impl AsFd, path: &CStr) -> Result<()> {
    let how = libc::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(mount.as_fd().as_raw_fd(), libc::AT_FDCWD, path, how)
}

/// Attaches a detached mount in a directory that nobody else can write to: the name is looked up.
pub fn attach_in(mount: impl AsFd, directory: impl AsFd, name: &CStr) -> Result<()> {
    let how = libc::MOVE_MOUNT_F_EMPTY_PATH;
    let (mount, directory) = (mount.as_fd().as_raw_fd(), directory.as_fd().as_raw_fd());
    move_mount(mount, directory, name, how)
}

fn move_mount(mount: RawFd, target: RawFd, path: &CStr, how: u32) -> Result<()> {
    call(
        "move_mount",
        || {
            let how = flags(
                how.into(),
                &[
                    (libc::MOVE_MOUNT_F_EMPTY_PATH.into(), "MOVE_MOUNT_F_EMPTY_PATH"),
                    (libc::MOVE_MOUNT_T_EMPTY_PATH.into(), "MOVE_MOUNT_T_EMPTY_PATH"),
                ],
            );
            format!("{mount}, \"\", {}, {path:?}, {how}", crate::explain::descriptor(target))
        },
        // SAFETY: both paths are C strings.
        || unsafe {
            Errno::result(libc::syscall(
                libc::SYS_move_mount,
                mount,
                c"".as_ptr(),
                target,
                path.as_ptr(),
                how,
            ))
            .map(drop)
        },
    )
}

/// Makes the mount that the working directory is in the root of this mount namespace, and stacks
/// the old root on top of it: `pivot_root(".", ".")`, which needs no directory for the old one.
pub fn pivot_root_here() -> Result<()> {
    call(
        "pivot_root",
        || "\".\", \".\"".into(),
        // SAFETY: two C strings.
        || unsafe {
            Errno::result(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))
                .map(drop)
        },
    )
}

/// Takes the mount at `path` and everything below it out of the tree; what is still in use
/// vanishes with its last user.
pub fn detach(path: &CStr) -> Result<()> {
    call(
        "umount2",
        || format!("{path:?}, MNT_DETACH"),
        // SAFETY: path is a C string.
        || unsafe { Errno::result(libc::umount2(path.as_ptr(), libc::MNT_DETACH)).map(drop) },
    )
}

/// A mount option's value from text that we made ourselves.
pub fn option(text: String) -> CString {
    CString::new(text).expect("a mount option has no NUL byte")
}
