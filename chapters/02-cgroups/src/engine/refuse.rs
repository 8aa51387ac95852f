//! The words of refusals: who does not allow a group, a controller or a limit, and what to try.

use crate::engine::subtree::processes_below;
use crate::limits::Setting;
use crate::v1;
use crate::v2::Refused;
use console::failure::Failure;
use kernel::cgroup::{self, Version};
use kernel::{Errno, Pid};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A controller that a group above ours does not give.
pub(crate) fn controller(Refused { controller, group, error }: Refused) -> anyhow::Error {
    match error.errno {
        Errno::ENOENT => match outside(controller) {
            Some(point) => no_such(controller, &lies_outside(&point), OUTSIDE),
            None => not_given(controller, &group),
        },
        Errno::EBUSY => crowded(controller, &group),
        // What is not ours to write is worded by whoever knows what was asked for.
        Errno::EACCES | Errno::EPERM | Errno::EROFS => error.into(),
        _ => anyhow::Error::from(error).context(format!("controller {controller}")),
    }
}

fn not_given(controller: &str, group: &Path) -> anyhow::Error {
    no_such(
        controller,
        &format!("{} was not given it (see its cgroup.controllers)", group.display()),
        "`doctor` says who holds it: version 1, the kernel's command line, a group above",
    )
}

/// What helps where our own group lies outside of what is mounted.
const OUTSIDE: &str = "start it outside of this cgroup namespace; or mount the control groups of \
                       this one, which `doctor` says how to";

/// Where a controller's hierarchy is mounted without our own group: that of another cgroup
/// namespace, or a part of the tree (cgroup_namespaces(7)).
fn outside(controller: &str) -> Option<PathBuf> {
    let mut all = cgroup::hierarchies().unwrap_or_default();
    all.retain(|hierarchy| hierarchy.own.is_none());
    let has = |names: &[String]| names.iter().any(|name| v1::modern_name(name) == controller);
    // A hierarchy of version 1 is known to have it, version 2 may.
    let of_v1 = all.iter().find(|hierarchy| has(&hierarchy.controllers));
    let hierarchy = of_v1.or(all.iter().find(|hierarchy| hierarchy.version == Version::V2));
    hierarchy.map(|hierarchy| hierarchy.point.clone())
}

fn lies_outside(point: &Path) -> String {
    format!("our own group lies outside of what is mounted at {}", point.display())
}

/// A controller that a group does not give because it has processes of its own.
pub(crate) fn crowded(controller: &str, group: &Path) -> anyhow::Error {
    let group = group.display();
    no_such(
        controller,
        &format!("{group} has processes, and then its controllers are not shared out"),
        &format!(
            "move them into a leaf: mkdir {group}/leaf; for p in $(cat {group}/cgroup.procs); \
             do echo $p > {group}/leaf/cgroup.procs; done"
        ),
    )
}

fn no_such(controller: &str, why: &str, remedy: &str) -> anyhow::Error {
    Failure::new(format!("no controller {controller} for our groups: {why}")).remedy(remedy).into()
}

/// A name that a running container has.
pub(crate) fn taken(name: &str) -> anyhow::Error {
    Failure::new(format!("the name {name:?} is in use by a running container"))
        .remedy(format!("choose another, or end that one: `stop {name}`"))
        .into()
}

/// Whether it is that.
pub(crate) fn is_taken(error: &anyhow::Error) -> bool {
    let failure = error.downcast_ref::<Failure>();
    failure.is_some_and(|failure| failure.message.ends_with("is in use by a running container"))
}

/// A name where there are no control groups, and so no place for it.
pub(crate) fn nowhere(name: &str) -> anyhow::Error {
    Failure::new(format!("--name {name} cannot be kept: no control groups are mounted here"))
        .remedy("mount them: mount -t cgroup2 cgroup2 /sys/fs/cgroup; or leave the name out")
        .into()
}

/// A limit for which there is no controller at all.
pub(crate) fn no_controller(setting: &Setting) -> anyhow::Error {
    let Setting { option, controller, .. } = setting;
    if let Some(point) = outside(controller) {
        let failure = Failure::new(format!("{option} cannot be kept: {}", lies_outside(&point)));
        return failure.remedy(OUTSIDE).into();
    }
    Failure::new(format!("{option} cannot be kept: there is no controller {controller} here"))
        .remedy("`doctor` says which there are, and what brings the others")
        .into()
}

/// A limit that the kernel did not take.
pub(crate) fn setting(setting: &Setting, file: &Path, error: kernel::Error) -> anyhow::Error {
    let Setting { option, value, .. } = setting;
    let failure = Failure::new(format!("{option}: {value:?} into {}", file.display()));
    let remedy = match error.errno {
        Errno::ENOENT => "this kernel has no such file: leave the option out",
        Errno::EBUSY => "more than that is in use already: name a higher limit",
        Errno::ENODEV | Errno::ENXIO => "name a whole disk of this machine, see lsblk",
        // Of a write: who may not open the file is told so by who asked.
        Errno::EACCES | Errno::EINVAL | Errno::ERANGE if error.call == "write" => {
            "name what the group above has too: see the file of the same name there"
        }
        _ => return anyhow::Error::from(error).context(failure),
    };
    anyhow::Error::from(error).context(failure.remedy(remedy))
}

/// A group that is not given back.
pub(crate) fn busy(directory: &Path, patience: Duration) -> anyhow::Error {
    let pids: Vec<String> = processes_below(directory).iter().map(Pid::to_string).collect();
    let who = if pids.is_empty() { "nobody, or zombies".into() } else { pids.join(" ") };
    let (directory, seconds) = (directory.display(), patience.as_secs());
    Failure::new(format!("{directory} is still busy after {seconds} s: {who}"))
        .remedy("run `clean` once they have ended")
        .into()
}
