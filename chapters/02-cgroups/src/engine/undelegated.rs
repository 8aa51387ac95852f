//! An account that may make no groups here: root of a container, or an ordinary user to whom nobody
//! has delegated a subtree (admin-guide/cgroup-v2, "Delegation").

use crate::limits::Limits;
use crate::{hierarchy, v2};
use anyhow::Result;
use console::failure::Failure;
use kernel::Errno;
use kernel::cgroup::Version;

/// A container that asks for nothing goes without a group where none can be had; a limit that
/// cannot be kept is refused before anything runs.
pub(crate) fn refuse_if(needed: bool, error: anyhow::Error, limits: &Limits) -> Result<()> {
    let errno = error.downcast_ref::<kernel::Error>().map(|error| error.errno);
    if !matches!(errno, Some(Errno::EACCES | Errno::EPERM | Errno::EROFS)) {
        return Err(error);
    }
    if !needed {
        return Ok(());
    }
    let settings = v2::settings(limits);
    let mut options: Vec<&str> =
        settings.iter().filter(|s| !s.implied).map(|setting| setting.option).collect();
    options.dedup();
    let what = if options.is_empty() { "--name".into() } else { options.join(", ") };
    let read_only = errno == Some(Errno::EROFS);
    let v1 = hierarchy::used()?.iter().any(|hierarchy| hierarchy.version == Version::V1);
    let (why, remedy) = match (read_only, v1) {
        (true, _) => (
            "control groups are mounted read-only here",
            "run on the host; or, in a container, let that one have them writable",
        ),
        (_, true) => (
            "this account may make no control groups, and version 1 cannot delegate them safely",
            "use sudo; or boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line",
        ),
        (_, false) => (
            "this account may make no control groups here",
            "start it in a group of your own: systemd-run --user --scope -p Delegate=yes …; or use \
             sudo",
        ),
    };
    let failure = Failure::new(format!("{what} cannot be kept: {why}")).remedy(remedy);
    Err(error.context(failure))
}
