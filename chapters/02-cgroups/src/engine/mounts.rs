//! /sys/fs/cgroup in a container: the hierarchies as its cgroup namespace shows them, with its own
//! group at the top, and nothing in it can be written.

use crate::group::Group;
use anyhow::Result;
use kernel::cgroup::{Hierarchy, Version};
use kernel::mount::attribute::{NO_DEV, NO_EXEC, NO_SUID, READ_ONLY};
use kernel::{mount, path};
use namespaces::plan::{Phase, Plan, Slot};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

const PLACE: &CStr = c"sys/fs/cgroup";

/// What may be done through these mounts.
const ATTRIBUTES: u64 = READ_ONLY | NO_SUID | NO_DEV | NO_EXEC;

/// Plans the mounts of these hierarchies. The child itself could not find them any more: from its
/// new namespace, the host's mounts of them lie outside.
pub(crate) fn plan(used: Vec<Hierarchy>, group: Slot<Group>, plan: &mut Plan) {
    if used.is_empty() {
        return;
    }
    let root = plan.root.clone();
    plan.step(
        Phase::Mounts,
        "mount /sys/fs/cgroup, read-only",
        "programs look there for their limits; who could write there could lift them",
        move || {
            let place = path::open_mount_point(root.get(), PLACE)?;
            match &used[..] {
                [only] if only.version == Version::V2 => attach_unified(&place),
                _ => attach_all(place, &used, group.find()),
            }
        },
    );
}

/// A mount of version 2 shows the cgroup namespace of whoever mounts it.
fn attach_unified(place: &OwnedFd) -> Result<()> {
    let groups = mount::new_file_system(c"cgroup2", c"cgroup", &[], ATTRIBUTES)?;
    Ok(mount::attach(groups, place)?)
}

/// A directory for each hierarchy, as on the host, in a small file system of its own; in each, our
/// own group's directory as the root.
fn attach_all(place: OwnedFd, used: &[Hierarchy], group: Option<&Group>) -> Result<()> {
    let options: [(&CStr, &CStr); 1] = [(c"mode", c"755")];
    let directories = mount::new_file_system(c"tmpfs", c"cgroup", &options, 0)?;
    mount::attach(&directories, place)?;
    for hierarchy in used {
        let own = match group {
            Some(group) => {
                let mut directories = group.places.iter().map(|place| &place.directory);
                directories.find(|directory| directory.starts_with(&hierarchy.point))
            }
            // A container that could get no group is where we are.
            None => hierarchy.own.as_ref(),
        };
        let Some(own) = own else { continue };
        let name = match hierarchy.version {
            Version::V2 => c"unified".to_owned(),
            Version::V1 => mount::option(hierarchy.controllers.join(",")),
        };
        path::make_directory(&directories, &name, 0o755)?;
        let groups = mount::clone_mount(&CString::new(own.as_os_str().as_bytes())?)?;
        mount::attach_in(groups, &directories, &name)?;
        if hierarchy.controllers.len() > 1 && hierarchy.version == Version::V1 {
            for controller in &hierarchy.controllers {
                path::make_link(&name, directories.as_fd(), &mount::option(controller.clone()))?;
            }
        }
    }
    Ok(mount::restrict_tree(&directories, ATTRIBUTES)?)
}
