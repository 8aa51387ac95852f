//! A root directory of its own (pivot_root(2), mount_namespaces(7)). chroot(2) only changes where
//! `/` points: the old root stays mounted and a process with root's rights walks back. Here it is
//! taken out of the mount tree.

use crate::config::Config;
use crate::plan::{Mechanism, Phase, Plan};
use anyhow::Result;
use kernel::{mount, path};

/// The mechanism.
pub struct RootFileSystem;

impl Mechanism for RootFileSystem {
    fn prepare(&self, config: &Config, plan: &mut Plan) -> Result<()> {
        if let Some(directory) = &config.root.directory {
            let (directory, root) = (directory.try_clone()?, plan.root.clone());
            plan.step(
                Phase::Prepare,
                "clone the root's mount, detached",
                "pivot_root wants a mount; a detached one is seen by nobody and vanishes with us",
                move || {
                    root.put(mount::clone_tree(&directory, c"")?);
                    // A clone begins as the original's peer: without this, what is mounted in the
                    // container would be mounted in the host's directory, too.
                    Ok(mount::make_detached_tree_private(root.get())?)
                },
            );
        }

        // LAB 01.3 private: let nothing that is mounted from here on reach the host
        plan.step(
            Phase::Mounts,
            "make every mount private",
            "first of all: on most hosts / is shared, and our mounts would appear there, too",
            || Ok(mount::make_tree_private(c"/")?),
        );
        let root = plan.root.clone();
        // LAB 01.4 root: attach the root where pivot_root can take it, and go there
        plan.step(
            Phase::Mounts,
            "attach the root",
            "over the old one: no directory's name is looked up, so that none can be swapped",
            move || {
                mount::attach_at(root.get(), c"/")?;
                // `/` still means the old root; `.` is now the new one.
                Ok(path::change_directory_to(root.get())?)
            },
        );

        // LAB 01.4 root: make it the root, and the old one unreachable
        plan.step(
            Phase::Pivot,
            "make it the root of this mount namespace",
            "the old root is stacked on top of the new one and taken off: then it is unreachable",
            || {
                mount::pivot_root_here()?;
                // `.` is the old root now. Detaching is lazy: the parent still uses these mounts.
                mount::detach(c".")?;
                Ok(path::change_directory(c"/")?)
            },
        );
        Ok(())
    }
}
