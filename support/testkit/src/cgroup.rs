//! What the kernel says about control groups: where a process is, by /proc/PID/cgroup and the mount table, and what
//! the files of its group hold. See cgroups(7). Tests believe this and not the tested binary.

use std::fs;
use std::path::{Path, PathBuf};

use crate::host;

/// A group's directory in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// 1 or 2: the interface of its hierarchy.
    pub version: u8,
    /// The controllers of the hierarchy in version 1; those that the group was given in version 2.
    pub controllers: Vec<String>,
    /// Where it is.
    pub directory: PathBuf,
}

/// The trees that can be seen here: their interface, version 1's controllers, and the directory of the root.
pub fn hierarchies() -> Vec<Group> {
    let mounts = host::mounts(std::process::id() as i32);
    let mut found = Vec::new();
    for mount in mounts {
        let (version, controllers) = match mount.kind.as_str() {
            "cgroup2" => (2, Vec::new()),
            "cgroup" => (
                1,
                mount.super_options.iter().filter(|o| *o != "rw" && *o != "ro").cloned().collect(),
            ),
            _ => continue,
        };
        found.push(Group { version, controllers, directory: mount.point.into() });
    }
    found
}

/// Whether version 2 is all there is.
pub fn is_v2_alone() -> bool {
    hierarchies().iter().all(|hierarchy| hierarchy.version == 2)
}

/// The lines of a file like /proc/PID/cgroup: controllers (none: version 2) and path.
pub fn memberships(text: &str) -> Vec<(Vec<String>, String)> {
    let parse = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let names = fields.next()?.split(',').filter(|name| !name.is_empty());
        Some((names.map(str::to_owned).collect(), fields.next()?.to_owned()))
    };
    text.lines().filter_map(parse).collect()
}

/// The groups that a process is in, one of each hierarchy that can be seen here.
pub fn groups(pid: i32) -> Vec<Group> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let members = memberships(&text);
    let of = |mut hierarchy: Group| {
        let root = mount_root(&hierarchy.directory);
        let same = |names: &[String]| match hierarchy.version {
            2 => names.is_empty(),
            _ => !names.is_empty() && names.iter().all(|name| hierarchy.controllers.contains(name)),
        };
        let (_, path) = members.iter().find(|(names, _)| same(names))?;
        let below = Path::new(path).strip_prefix(root).ok()?;
        hierarchy.directory = hierarchy.directory.join(below).components().collect();
        if hierarchy.version == 2 {
            let given = fs::read_to_string(hierarchy.directory.join("cgroup.controllers"));
            hierarchy.controllers = given.ok()?.split_whitespace().map(str::to_owned).collect();
        }
        Some(hierarchy)
    };
    hierarchies().into_iter().filter_map(of).collect()
}

/// The group of a process whose files a controller has: `memory`, `cpu`, `cpuacct`, `cpuset`, `pids`, `freezer`, and `io`,
/// which version 1 calls `blkio`.
pub fn group(pid: i32, controller: &str) -> Option<Group> {
    let has = |group: &Group| {
        let name = if group.version == 1 && controller == "io" { "blkio" } else { controller };
        group.controllers.iter().any(|own| own == name)
    };
    groups(pid).into_iter().find(has)
}

/// The group of a process in the hierarchy of version 2.
pub fn unified(pid: i32) -> Option<Group> {
    groups(pid).into_iter().find(|group| group.version == 2)
}

/// Every directory of this name, in any hierarchy.
pub fn named(name: &str) -> Vec<PathBuf> {
    all().into_iter().filter(|group| group.file_name().is_some_and(|own| own == name)).collect()
}

/// Every group, in any hierarchy.
pub fn all() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> = hierarchies().into_iter().map(|group| group.directory).collect();
    while let Some(directory) = left.pop() {
        // One that vanishes while we look is not there.
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.push(entry.path());
                left.push(entry.path());
            }
        }
    }
    found
}

impl Group {
    /// What a file holds, without the line's end; a missing one fails the test.
    #[track_caller]
    pub fn read(&self, file: &str) -> String {
        let path = self.directory.join(file);
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.trim_end().to_owned()
    }

    /// The number in a file, or in its line `KEY NUMBER`: `number("cpu.stat", "nr_throttled")`.
    #[track_caller]
    pub fn number(&self, file: &str, key: &str) -> u64 {
        let text = self.read(file);
        let prefix = if key.is_empty() { String::new() } else { format!("{key} ") };
        let found = text.lines().find_map(|line| line.strip_prefix(&prefix)?.parse().ok());
        found.unwrap_or_else(|| panic!("no {key} in {file}:\n{text}"))
    }

    /// Its processes.
    pub fn processes(&self) -> Vec<i32> {
        self.read("cgroup.procs").lines().filter_map(|line| line.parse().ok()).collect()
    }
}

fn mount_root(point: &Path) -> String {
    let own = host::mounts(std::process::id() as i32);
    own.into_iter()
        .rev()
        .find(|mount| Path::new(&mount.point) == point)
        .map_or("/".into(), |mount| mount.root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memberships_are_taken_apart() {
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(
            memberships("2:cpu,cpuacct:/a:b\n1:name=systemd:/\n0::/c\n"),
            [
                (list(&["cpu", "cpuacct"]), "/a:b".into()),
                (list(&["name=systemd"]), "/".into()),
                (list(&[]), "/c".into())
            ]
        );
    }

    #[test]
    fn this_process_is_found_in_its_groups() {
        let pid = std::process::id() as i32;
        for group in groups(pid) {
            assert!(group.processes().contains(&pid), "{group:?}");
        }
        assert_eq!(groups(-1), []);
        assert!(named(&crate::random_token()).is_empty());
    }
}
