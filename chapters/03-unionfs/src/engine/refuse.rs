//! Overlay's refusals: the kernel says EINVAL, and the reason is in what it was given.

use anyhow::Error;
use console::failure::Failure;
use kernel::Errno;
use kernel::error::describe;
use nix::sys::statfs::{FsType, NFS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, statfs};
use std::path::{Path, PathBuf};

const OTHER_WAY: &str = "use --storage-driver copy, or put our files on another file system with \
                         --root: ext4, xfs, btrfs or tmpfs";

/// Names the reason why these layers, or this container's own, cannot be mounted.
pub(crate) fn overlay(error: Error, lower: &[PathBuf], own: &Path) -> Error {
    let failed = |error: &kernel::Error| (error.call, error.errno);
    let Some((call, errno)) = error.downcast_ref::<kernel::Error>().map(failed) else {
        return error;
    };
    // The call is half a screen long, and `--explain` shows it: where the reason is known, that is enough.
    let brief = Error::msg(format!("{call}: {}", describe(errno)));
    if let Some(missing) = lower.iter().find(|layer| !layer.is_dir()) {
        let failure = Failure::new(format!("the layer {} is missing", missing.display()));
        return brief.context(failure.remedy("remove the image and make it anew"));
    }
    brief.context(match (call, errno) {
        ("fsopen" | "mount", Errno::ENODEV) => {
            Failure::new("this kernel has no overlay file system")
                .remedy("load it: sudo modprobe overlay; or use --storage-driver copy")
        }
        (_, Errno::EPERM) => Failure::new("this kernel lets only root mount an overlay")
            .remedy("use sudo, or --storage-driver copy; Linux 5.11 or newer lets everybody"),
        (_, Errno::ELOOP | Errno::EBUSY) => {
            Failure::new("a layer and the container's own lie in one another, or are in use")
                .remedy("name a place for our files outside of the root with --root")
        }
        (_, Errno::EINVAL) => match unfit(own) {
            Some(kind) => {
                // containers/ID of it is ours, and nobody's to move.
                let files = own.ancestors().nth(2).unwrap_or(own).display();
                Failure::new(format!("{files} is on {kind}, where overlay cannot write"))
                    .remedy(OTHER_WAY)
            }
            None => {
                let failure = "the kernel refuses these layers, and says why in `dmesg`";
                return error.context(Failure::new(failure).remedy(OTHER_WAY));
            }
        },
        _ => return error,
    })
}

/// The file system below a path, if it is one that cannot be upper.
fn unfit(path: &Path) -> Option<&'static str> {
    const FUSE: FsType = FsType(0x6573_5546);
    const FAT: FsType = FsType(0x4d44);
    match statfs(path).ok()?.filesystem_type() {
        OVERLAYFS_SUPER_MAGIC => Some("an overlay itself"),
        NFS_SUPER_MAGIC => Some("NFS"),
        FUSE => Some("FUSE"),
        FAT => Some("a FAT file system"),
        _ => None,
    }
}

/// More layers than mount(2) can be told of.
pub(crate) fn too_many_layers(count: usize) -> Error {
    Failure::new(format!("{count} layers are more than this kernel can be told of in one page"))
        .remedy("use Linux 6.7 or newer, --storage-driver copy, or an image of fewer layers")
        .into()
}
