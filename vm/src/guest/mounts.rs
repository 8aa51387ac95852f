//! The guest's mounts: a root that pivot_root(2) can leave, the kernel's file systems, and cgroup v2 alone.

use std::ffi::CStr;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use kernel::mount::{attach_at, clone_mount, new_file_system};
use kernel::path::change_directory_to;
use nix::mount::{MsFlags, mount};
use nix::unistd::chroot;

/// Type, place and options.
type Mount = (&'static CStr, &'static CStr, &'static [(&'static CStr, &'static CStr)]);

/// In this order. The rest of the root is a tmpfs already, and holds what came along.
const MOUNTS: [Mount; 7] = [
    (c"proc", c"/proc", &[]),
    (c"sysfs", c"/sys", &[]),
    (c"devtmpfs", c"/dev", &[(c"mode", c"0755")]),
    (c"devpts", c"/dev/pts", &[(c"mode", c"0620"), (c"gid", c"5"), (c"ptmxmode", c"0666")]),
    (c"tmpfs", c"/dev/shm", &[(c"mode", c"1777")]),
    (c"mqueue", c"/dev/mqueue", &[]),
    // Alone: no hierarchy of version 1 takes a controller away from it (cgroups(7)).
    (c"cgroup2", c"/sys/fs/cgroup", &[]),
];

/// The links that a device file system does not have by itself (null(4), fd(4)).
const LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// The first root, rootfs, hangs on nothing, so that nothing can be put in its place: pivot_root fails with
/// EINVAL. A second mount of the same files on top of it can be left.
pub(super) fn leave_first_root() -> Result<()> {
    let root = clone_mount(c"/").context("clone the first root")?;
    attach_at(&root, c"/").context("attach the root")?;
    change_directory_to(&root)?;
    chroot(".").context("chroot to the new root")?;
    // As systemd leaves it on most machines: what does not make its mounts private fails here, too.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SHARED, None::<&str>)
        .context("make / shared")
}

pub(super) fn mount_all() -> Result<()> {
    for (kind, place, options) in MOUNTS {
        let name = place.to_string_lossy();
        // Those in sysfs and in devtmpfs that the kernel did not make, and those of the archive.
        if !Path::new(name.as_ref()).is_dir() {
            fs::create_dir_all(name.as_ref()).with_context(|| format!("make {name}"))?;
        }
        new_file_system(kind, kind, options, 0)
            .and_then(|system| attach_at(system, place))
            .with_context(|| format!("mount {} on {name}", kind.to_string_lossy()))?;
    }
    for (target, link) in LINKS {
        std::os::unix::fs::symlink(target, link).with_context(|| format!("link {link}"))?;
    }
    Ok(())
}
