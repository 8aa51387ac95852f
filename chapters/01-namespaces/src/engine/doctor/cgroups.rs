//! Control groups (cgroups(7)): which version is mounted, which controllers it has, and whether
//! this account may make groups. The kernel is asked for the right to write, no group is made.

use super::check::{Check, partly};
use super::ground::Ground;
use kernel::capability::{Found, Refused};
use kernel::cgroup::{self, Hierarchy, Version};
use nix::fcntl::AtFlags;
use nix::unistd::{AccessFlags, faccessat};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The chapter on control groups.
const NEEDED_BY: &[u8] = &[2];

/// The controllers without which its lesson says nothing.
const WANTED: [&str; 3] = ["cpu", "memory", "pids"];

/// Where groups go, one place for each hierarchy.
struct Place {
    directory: PathBuf,
    version: u8,
    controllers: BTreeSet<String>,
}

/// The mode in one word (v1, v2, hybrid, none), and the checks.
pub(super) fn checks(ground: &Ground) -> (&'static str, Vec<Check>) {
    // Without /proc nothing works here, which other checks say.
    let hierarchies = cgroup::hierarchies().unwrap_or_default();
    let outside = outside(&hierarchies);
    let places = places(hierarchies);
    let has = |version: u8| places.iter().any(|place| place.version == version);
    let mode = match (has(1), has(2)) {
        (true, true) => "hybrid",
        (true, false) => "v1",
        (false, true) => "v2",
        (false, false) => "none",
    };
    if mode == "none" {
        let (why, mount) = match mount_own(ground, &outside) {
            Some(mount) => (OUTSIDE, mount),
            None => {
                let mount = ground.as_root("mount -t cgroup2 cgroup2 /sys/fs/cgroup");
                ("no control groups are mounted", mount)
            }
        };
        let check = |name| {
            let found = Err(Refused::new(why));
            Check::new(name, NEEDED_BY, found, |_| mount.clone())
        };
        return (mode, ["cgroup", "cgroup-controllers", "cgroup-delegation"].map(check).into());
    }
    let checks = vec![
        Check::new("cgroup", NEEDED_BY, Ok(mode.into()), |_| String::new()),
        controllers(ground, &places, &outside),
        delegation(ground, &places),
    ];
    (mode, checks)
}

fn controllers(ground: &Ground, places: &[Place], outside: &[Hierarchy]) -> Check {
    let of = |version: u8| {
        let places = places.iter().filter(|place| place.version == version);
        let all: Vec<&str> =
            places.flat_map(|place| &place.controllers).map(String::as_str).collect();
        if all.is_empty() { String::new() } else { format!("v{version} {}", all.join(" ")) }
    };
    let all = [of(1), of(2)].into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>();
    let has = |name: &&&str| places.iter().any(|place| place.controllers.contains(**name));
    let lacks: Vec<&str> = WANTED.iter().filter(|name| !has(name)).copied().collect();
    let outside = if lacks.is_empty() { &[] } else { outside };
    let why = if outside.is_empty() { String::new() } else { format!(": {OUTSIDE}") };
    let found: Found = match lacks[..] {
        [] => Ok(all.join("; ")),
        [_, _, _] => Err(Refused::new(format!("neither cpu nor memory nor pids{why}"))),
        _ => Err(partly(format!("{}; lacks {}{why}", all.join("; "), lacks.join(" ")))),
    };
    Check::new("cgroup-controllers", NEEDED_BY, found, |_| {
        mount_own(ground, outside).unwrap_or_else(|| enable(ground, &lacks))
    })
}

/// What is wrong in a cgroup namespace that has kept the mounts of another one.
const OUTSIDE: &str = "our own group lies outside of what is mounted here";

/// The hierarchies in which it does, as far as they have what is wanted.
fn outside(hierarchies: &[Hierarchy]) -> Vec<Hierarchy> {
    let wanted = |hierarchy: &&Hierarchy| {
        let has = |name: &&str| hierarchy.controllers.iter().any(|own| own == name);
        hierarchy.own.is_none() && (hierarchy.version == Version::V2 || WANTED.iter().any(has))
    };
    hierarchies.iter().filter(wanted).cloned().collect()
}

/// Mounts of our own cgroup namespace instead of those (cgroup_namespaces(7)), for a shell whose mounts
/// nobody else has; none if nothing lies outside.
fn mount_own(ground: &Ground, outside: &[Hierarchy]) -> Option<String> {
    let mount = |hierarchy: &Hierarchy| {
        let point = hierarchy.point.display();
        match hierarchy.version {
            Version::V2 => format!("umount {point} && mount -t cgroup2 cgroup2 {point}"),
            Version::V1 => {
                let names = hierarchy.controllers.join(",");
                format!("umount {point} && mount -t cgroup -o {names} cgroup {point}")
            }
        }
    };
    let mounts: Vec<String> = outside.iter().map(mount).collect();
    let script = format!("{} && exec sh", mounts.join(" && "));
    (!mounts.is_empty()).then(|| ground.as_root(format!("unshare --mount sh -c \"{script}\"")))
}

/// What brings a controller: who has it depends on the kernel's command line, and on systemd.
fn enable(ground: &Ground, lacks: &[&str]) -> String {
    let known = fs::read_to_string("/proc/cgroups").unwrap_or_default();
    let hierarchy = |name: &str| {
        let line = known.lines().find(|line| line.split_whitespace().next() == Some(name))?;
        let fields: Vec<&str> = line.split_whitespace().collect();
        Some((fields.get(1)? != &"0", fields.get(3)? == &"1"))
    };
    if lacks.iter().any(|name| hierarchy(name).is_some_and(|(_, enabled)| !enabled)) {
        return format!("boot with cgroup_enable={} on the kernel's command line", lacks[0]);
    }
    if lacks.iter().any(|name| hierarchy(name).is_some_and(|(v1, _)| v1)) {
        return "boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line: v1 \
                holds them"
            .into();
    }
    let settings = "/etc/systemd/system/user@.service.d";
    if ground.rootless && Path::new("/run/systemd/system").exists() {
        let write = format!("printf '[Service]\\nDelegate=yes\\n' > {settings}/delegate.conf");
        let script = format!("mkdir -p {settings} && {write} && systemctl daemon-reload");
        return ground.as_root(format!("sh -c \"{script}\" # and log in again"));
    }
    format!("boot a kernel with the controllers {}", lacks.join(", "))
}

fn delegation(ground: &Ground, places: &[Place]) -> Check {
    let needed = places.iter().filter(|place| {
        place.version == 2 && places.len() == 1
            || WANTED.iter().any(|name| place.controllers.contains(*name))
    });
    let found: Found = needed
        .map(writable)
        .collect::<Result<Vec<_>, _>>()
        .map(|_| "groups can be made here".into());
    Check::new("cgroup-delegation", NEEDED_BY, found, |refused| {
        let version_2 = places.iter().all(|place| place.version == 2);
        match refused.errno {
            Some(kernel::Errno::EROFS) => {
                let top = places.iter().map(|place| place.directory.display().to_string());
                let remount = top.map(|top| format!("mount -o remount,bind,rw {top}"));
                ground.all_as_root(&remount.collect::<Vec<_>>())
            }
            _ if version_2 && !ground.root && Path::new("/run/systemd/system").exists() => {
                let program = super::ground::program();
                format!("systemd-run --user --scope -p Delegate=yes {program} doctor")
            }
            _ => ground.more_rights(),
        }
    })
}

fn writable(place: &Place) -> Result<(), Refused> {
    let may = |path: &Path, how: AccessFlags| {
        let asked = faccessat(nix::fcntl::AT_FDCWD, path, how, AtFlags::AT_EACCESS);
        asked.map_err(|errno| Refused::io(path.display(), &errno.into()))
    };
    may(&place.directory, AccessFlags::W_OK | AccessFlags::X_OK)?;
    may(&place.directory.join("cgroup.procs"), AccessFlags::W_OK)
}

/// Where groups would go, in each hierarchy.
fn places(hierarchies: Vec<Hierarchy>) -> Vec<Place> {
    let places = hierarchies.into_iter().filter_map(|hierarchy| {
        let named = |name: &String| !name.starts_with("name=");
        Some(Place {
            directory: hierarchy.base().or(hierarchy.own.as_deref())?.into(),
            version: if hierarchy.version == Version::V2 { 2 } else { 1 },
            controllers: hierarchy.controllers.into_iter().filter(named).collect(),
        })
    });
    places.collect()
}
