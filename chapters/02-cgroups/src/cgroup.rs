//! The mechanism: a container starts in a group of its own, with the limits already in force, and
//! sees that group as the root of all groups (cgroup_namespaces(7)).
//!
//! ```text
//!  parent                                          child
//!  make the group, write the limits
//!  version 2: clone3(CLONE_INTO_CGROUP) ─────────▶ is in it from its first instruction
//!  version 1: opens each `tasks` file ───────────▶ writes 0 ("me") into each, before all else
//!                                                  unshare(CLONE_NEWCGROUP): / is where it is now
//!                                                  mounts /sys/fs/cgroup, read-only
//! ```
//!
//! On version 1 the child joins by itself, and one thread of it (`tasks`, not `cgroup.procs`), because
//! that is cheap: for more, the kernel waits for an RCU grace period, which takes it about 10 ms.

use crate::engine::keeper::Keeper;
use crate::engine::{claim, inherit, member, mounts, out_of_memory, undelegated};
use crate::group::Group;
use crate::hierarchy;
use crate::limits::Limits;
use anyhow::Result;
use kernel::cgroup::{self, Version};
use kernel::process::Child;
use namespaces::config::{Config, Process};
use namespaces::plan::{Mechanism, Phase, Plan, Slot, Target};
use std::os::fd::{AsFd, OwnedFd};

/// The mechanism, with what was asked for.
#[derive(Default)]
pub struct ControlGroups {
    /// The name of its group; the container's id, if none.
    pub name: Option<String>,
    /// What it may use.
    pub limits: Limits,
    /// The name is kept nowhere else: without a group there would be none.
    pub is_record: bool,
    group: Slot<Group>,
    keeper: Keeper,
}

impl ControlGroups {
    /// For a container with this name and these limits.
    pub fn new(name: Option<String>, limits: Limits) -> ControlGroups {
        ControlGroups { name, limits, is_record: true, ..ControlGroups::default() }
    }
}

impl Mechanism for ControlGroups {
    fn prepare(&self, config: &Config, plan: &mut Plan) -> Result<()> {
        let name = self.name.clone().unwrap_or_else(|| config.id.clone());
        let (put, limits) = (self.group.clone(), self.limits.clone());
        let hierarchies = hierarchy::used()?;
        let (used, named) = (hierarchies.clone(), self.name.is_some() && self.is_record);
        let needed = named || self.limits != Limits::default();
        let other = (!self.is_record).then(|| config.id.clone());
        plan.step(
            Phase::Prepare,
            "make a control group",
            "its directory takes the name: of those that run, no other container can have it",
            move || {
                if named {
                    claim::refuse_elsewhere(&name, &used)?;
                }
                match claim::make(&name, other.as_deref(), &used, &limits) {
                    Ok(group) => put.put(group),
                    Err(error) => undelegated::refuse_if(needed, error, &limits)?,
                }
                Ok(())
            },
        );
        let (group, limits, used) = (self.group.clone(), self.limits.clone(), hierarchies.clone());
        plan.step(
            Phase::Prepare,
            "write the limits",
            "before anything is in the group: there is no moment without them",
            move || {
                let Some(group) = group.find() else { return Ok(()) };
                group.limit(&limits)?;
                inherit::limits(group, &used)
            },
        );
        self.keeper.plan(config, &self.group, plan);
        join(self.group.clone(), plan);
        plan.step(
            Phase::Groups,
            "enter a new cgroup namespace",
            "its root is the group that we are in at this moment: not before we have joined",
            || Ok(cgroup::enter_new_namespace()?),
        );
        mounts::plan(hierarchies, self.group.clone(), plan);
        Ok(())
    }

    fn enter(&self, target: &Target, _process: &Process, plan: &mut Plan) -> Result<()> {
        let (pid, put) = (target.pid, self.group.clone());
        plan.step(
            Phase::Prepare,
            "find its control group",
            "who comes in later is limited and counted, frozen and killed with the others",
            move || {
                if let Some(group) = member::group_of(pid)? {
                    put.put(group);
                }
                Ok(())
            },
        );
        join(self.group.clone(), plan);
        Ok(())
    }

    fn settled(&self, _child: &Child) -> Result<()> {
        self.group.find().map_or(Ok(()), |group| self.keeper.start(group))
    }

    fn cleanup(&self, _id: &str) -> Result<Option<String>> {
        let Some(group) = self.group.find() else { return Ok(None) };
        // It ends while we remove what it would have removed.
        let keeper = self.keeper.dismiss();
        // What shares the host's process numbers outlives its first process; nothing outlives this.
        if group.is_populated() {
            group.kill()?;
        }
        let words = out_of_memory::words(group);
        group.remove()?;
        drop(keeper);
        Ok(words)
    }
}

/// Plans that the child joins a group: by its birth in it, and in version 1 by itself.
fn join(group: Slot<Group>, plan: &mut Plan) {
    let (born_in, tasks) = (plan.group.clone(), Slot::<Vec<OwnedFd>>::new());
    let put = tasks.clone();
    plan.step(
        Phase::Prepare,
        "open the ways into the group",
        "while the host's files can still be reached",
        move || {
            let mut files = Vec::new();
            for place in group.find().iter().flat_map(|group| &group.places) {
                // LAB 02.1 join: version 2 by clone3, version 1 by `tasks`
                match place.version {
                    Version::V2 => born_in.put(cgroup::open(&place.directory)?),
                    Version::V1 => files.push(cgroup::open_file(&place.directory.join("tasks"))?),
                }
            }
            put.put(files);
            Ok(())
        },
    );
    plan.step(
        Phase::Groups,
        "join the groups of version 1",
        "first of all: what a process uses before that, nobody counts",
        move || Ok(tasks.get().iter().try_for_each(|file| cgroup::write(file.as_fd(), "0"))?),
    );
}
