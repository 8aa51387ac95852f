//! The words of refusals: who does not allow a group, a controller or a limit, and what to try.

use crate::engine::subtree::processes_below;
use crate::limits::Setting;
use crate::v2::Refused;
use console::failure::Failure;
use kernel::{Errno, Pid};
use std::path::Path;
use std::time::Duration;

/// A controller that a group above ours does not give.
pub(crate) fn controller(Refused { controller, group, error }: Refused) -> anyhow::Error {
    match error.errno {
        Errno::ENOENT => no_such(
            controller,
            &format!("{} was not given it (see its cgroup.controllers)", group.display()),
            "`doctor` says who holds it: version 1, the kernel's command line, a group above",
        ),
        Errno::EBUSY => crowded(controller, &group),
        // What is not ours to write is worded by whoever knows what was asked for.
        Errno::EACCES | Errno::EPERM | Errno::EROFS => error.into(),
        _ => anyhow::Error::from(error).context(format!("controller {controller}")),
    }
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

/// A limit for which there is no controller at all.
pub(crate) fn no_controller(setting: &Setting) -> anyhow::Error {
    let Setting { option, controller, .. } = setting;
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
        Errno::EACCES | Errno::EINVAL | Errno::ERANGE => {
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
