//! Mounts: the calls, the exchange of the root, the kernel's own file systems, terminals, overlay.

use super::check::{ALL, Check};
use super::ground::Ground;
use kernel::Errno;
use kernel::capability::{Refused, mounts, processes, within};
use kernel::namespace::Namespace;
use std::ffi::CStr;

/// What chapters do with mounts, on file systems of their own.
pub(super) fn checks(ground: &Ground) -> Vec<Check> {
    let alone = [Namespace::Mount];
    vec![
        ground.check(
            "mount-calls",
            ALL,
            || within(&alone, mounts::calls),
            |refused| match refused.errno {
                Some(Errno::ENOSYS) => {
                    "boot Linux 5.15 or newer: a current release of the distribution has it".into()
                }
                _ => ground.more_rights(),
            },
        ),
        ground.check("pivot-root", ALL, || within(&alone, mounts::pivot_root), |_| another_root()),
        kernel_files(ground, "proc", c"proc", Namespace::Pid),
        kernel_files(ground, "sysfs", c"sysfs", Namespace::Network),
        ground.check(
            "terminals",
            ALL,
            || terminal(&alone),
            |refused| match refused.errno {
                Some(Errno::ENOSPC) => ground.as_root("sysctl -w kernel.pty.max=16384"),
                _ => ground.more_rights(),
            },
        ),
        ground.check(
            "overlay",
            OVERLAY,
            || within(&alone, || mounts::overlay_on_tmpfs(is_in_user_namespace())),
            |refused| overlay_remedy(ground, refused),
        ),
    ]
}

/// The chapters whose containers stand on layers.
pub(super) const OVERLAY: &[u8] = &[3, 4, 5, 6];

/// Whether the marks of an overlay have to be kept in user.*: trusted.* is for the first user
/// namespace's root.
pub(super) fn is_in_user_namespace() -> bool {
    processes::own(Namespace::User) != Some(super::ground::FIRST_USER)
}

/// What mends an overlay that cannot be had at all.
pub(super) fn overlay_remedy(ground: &Ground, refused: &Refused) -> String {
    match refused.errno {
        Some(Errno::ENODEV) => ground.as_root("modprobe overlay"),
        // Since 5.11 in user namespaces; distributions' kernels of before have it switched off.
        Some(Errno::EPERM) => ground.more_rights(),
        _ => "boot Linux 6.6 or newer, whose tmpfs keeps the marks of an overlay".into(),
    }
}

/// pivot_root(2) refuses a root that is not a mount, as in a chroot, or that nothing is mounted
/// below, as the initial ramdisk is.
fn another_root() -> String {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let root = table.lines().rfind(|line| line.split(' ').nth(4) == Some("/"));
    match root {
        Some(root) if root.contains(" - rootfs ") => {
            "leave the initial ramdisk: mount -t tmpfs root /mnt && cp -ax / /mnt && exec \
             switch_root /mnt /bin/sh"
                .into()
        }
        Some(_) => "start it where / may be exchanged: not in the initial ramdisk".into(),
        None => "before chroot DIR, type: mount --bind DIR DIR".into(),
    }
}

fn kernel_files(
    ground: &Ground,
    name: &'static str,
    kind: &'static CStr,
    namespace: Namespace,
) -> Check {
    let trial = || within(&[Namespace::Mount, namespace], || mounts::kernel_files(kind));
    ground
        .check(name, ALL, trial, |_| uncover(ground, if name == "proc" { "/proc" } else { "/sys" }))
}

/// In a user namespace a new /proc must not show what is hidden in the one that is seen.
fn uncover(ground: &Ground, top: &str) -> String {
    match ground.inside.as_deref().filter(|_| !ground.root) {
        // Root there can uncover it as well as whoever started it could have.
        Some("Docker") => {
            return "start the outer container with: docker run --security-opt \
                    systempaths=unconfined"
                .into();
        }
        Some("Podman") => {
            return "start the outer container with: podman run --security-opt unmask=ALL".into();
        }
        _ => {}
    }
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let covers: Vec<String> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|point| point.strip_prefix(top).is_some_and(|below| below.starts_with('/')))
        // What the kernel itself keeps an empty directory for may be mounted.
        .filter(|point| !EMPTY.contains(point))
        .map(|point| format!("umount {point}"))
        .collect();
    if covers.is_empty() { ground.more_rights() } else { ground.all_as_root(&covers) }
}

/// Mount points that hide nothing (proc(5), and sysfs_create_mount_point() in the kernel).
const EMPTY: [&str; 9] = [
    "/proc/sys/fs/binfmt_misc",
    "/proc/fs/nfsd",
    "/sys/fs/cgroup",
    "/sys/fs/bpf",
    "/sys/fs/pstore",
    "/sys/fs/fuse/connections",
    "/sys/kernel/debug",
    "/sys/kernel/tracing",
    "/sys/kernel/security",
];

fn terminal(alone: &[Namespace]) -> kernel::capability::Found {
    within(alone, mounts::terminal).map_err(Refused::in_part)?;
    let number = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/kernel/pty/{name}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let left = number("max").zip(number("nr")).map(|(most, used)| most.saturating_sub(used));
    Ok(left.map_or("can be made".into(), |left| format!("can be made, {left} left")))
}
