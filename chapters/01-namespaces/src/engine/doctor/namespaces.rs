//! Each kind of namespace, by making one; and the ids that a user namespace can be given.

use super::check::{ALL, Check, partly};
use super::ground::{Ground, is_chroot, is_on_path};
use crate::engine::labbox;
use kernel::capability::{Found, Refused, attempt, processes, within};
use kernel::namespace::Namespace;
use kernel::{Errno, Pid, mount};

/// The name of the check that everything else of an ordinary user's depends on.
pub(super) const USER: &str = "namespace-user";

/// User namespaces, and which ids they get: found out before the lab box is entered.
pub(super) fn of_user(ground: &Ground) -> Vec<Check> {
    // A mount namespace with it: AppArmor lets one make the first, and then do nothing in it.
    let namespaces = [Namespace::User, Namespace::Mount];
    let adopt = |pid: Pid| labbox::map_ids(pid).map_err(|error| Refused::new(format!("{error:#}")));
    let outside = processes::own(Namespace::User);
    kernel::explain::heading("doctor", USER, "with a mount in it, which AppArmor may forbid");
    let found = attempt(&namespaces, adopt, || {
        mount::make_tree_private(c"/")?;
        processes::is_other(Namespace::User, outside)
    });
    let needed_by = if ground.rootless { ALL } else { &[] };
    let found = match found {
        Err(refused) if !ground.rootless => Err(refused.in_part()),
        found => found,
    };
    let possible = found.is_ok();
    let mut checks = vec![Check::new(USER, needed_by, found, |refused| open(ground, refused))];
    if possible {
        checks.push(ids(ground));
    }
    checks
}

/// The command that allows user namespaces.
fn open(ground: &Ground, refused: &Refused) -> String {
    if let Some((name, _, open)) = labbox::closed() {
        return ground.as_root(format!("sysctl -w {name}={open}"));
    }
    match refused.errno {
        // clone(2): a user namespace made in a chroot would be a way out of it.
        Some(Errno::EPERM) if is_chroot() => "start it outside of the chroot".into(),
        Some(Errno::ENOSPC) => ground.as_root("sysctl -w user.max_user_namespaces=15000"),
        Some(Errno::EINVAL) => "boot a kernel with CONFIG_USER_NS".into(),
        _ => ground.more_rights(),
    }
}

/// How many ids the lab box has: as many as newuidmap(1) really maps, in a trial.
fn ids(ground: &Ground) -> Check {
    const NAME: &str = "subordinate-ids";
    const NEEDED_BY: &[u8] = &[1, 3, 4];
    if ground.root {
        return Check::new(NAME, &[], Ok("not needed: root has all ids".into()), |_| String::new());
    }
    let mut mapped = None;
    let adopt = |pid: Pid| {
        labbox::map_ids(pid).map_err(|error| Refused::new(format!("{error:#}")))?;
        mapped = std::fs::read_to_string(format!("/proc/{pid}/uid_map")).ok();
        Ok(())
    };
    let made = attempt(&[Namespace::User], adopt, || Ok(String::new()));
    let count: u64 = mapped.iter().flat_map(|map| map.lines()).filter_map(last_number).sum();
    let programs = is_on_path("newuidmap") && is_on_path("newgidmap");
    let ranges =
        labbox::sub_ids("/etc/subuid").is_some() && labbox::sub_ids("/etc/subgid").is_some();
    let found: Found = made.and_then(|_| match count {
        65536.. => Ok(format!("{count} user ids in the lab box")),
        _ => Err(partly(match (programs, ranges) {
            (false, _) => "one user id only: newuidmap is not installed",
            (_, false) => "one user id only: no range in /etc/subuid and /etc/subgid",
            _ => "one user id only: newuidmap refuses",
        })),
    });
    Check::new(NAME, NEEDED_BY, found, |_| {
        let mut commands = Vec::new();
        if !programs {
            commands.push(ground.install("uidmap", "shadow-utils", "shadow", "shadow-uidmap"));
        }
        if !ranges {
            let range = "--add-subuids 100000-165535 --add-subgids 100000-165535";
            commands.push(ground.as_root(format!("usermod {range} {}", ground.account)));
        }
        if commands.is_empty() {
            commands.push(ground.as_root("chmod u+s $(command -v newuidmap newgidmap)"));
        }
        commands.join(" && ")
    })
}

fn last_number(line: &str) -> Option<u64> {
    line.split_whitespace().last()?.parse().ok()
}

/// The other kinds, in the lab box where there is one.
pub(super) fn others(ground: &Ground) -> Vec<Check> {
    let kinds: [(&str, &'static [u8], Namespace); 7] = [
        ("namespace-mnt", ALL, Namespace::Mount),
        ("namespace-uts", ALL, Namespace::Uts),
        ("namespace-ipc", ALL, Namespace::Ipc),
        ("namespace-net", ALL, Namespace::Network),
        ("namespace-pid", ALL, Namespace::Pid),
        ("namespace-cgroup", &[2], Namespace::Cgroup),
        ("namespace-time", &[], Namespace::Time),
    ];
    let check = |(name, needed_by, namespace): (_, _, Namespace)| {
        let trial = || {
            let outside = processes::own(namespace);
            within(&[namespace], || match namespace {
                // Whoever makes one stays in the old one: only its children are in it.
                Namespace::Time => Ok("can be made".into()),
                _ => processes::is_other(namespace, outside),
            })
        };
        ground.check(name, needed_by, trial, |refused| more(ground, namespace, refused))
    };
    kinds.into_iter().map(check).collect()
}

fn more(ground: &Ground, namespace: Namespace, refused: &Refused) -> String {
    let kind = namespace.name();
    match refused.errno {
        Some(Errno::ENOSPC) => {
            ground.as_root(format!("sysctl -w user.max_{kind}_namespaces=15000"))
        }
        Some(Errno::EINVAL) => {
            format!("boot a kernel with CONFIG_{}_NS", kind.to_uppercase())
        }
        _ => ground.more_rights(),
    }
}
