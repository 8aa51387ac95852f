//! What the kernel says about a process: namespaces, mount table, process ids. Tests believe this and not
//! the tested binary's own `inspect`. See proc(5).

use std::collections::HashMap;
use std::fs;

/// The namespaces of chapter 01, as /proc/PID/ns names them.
pub const NAMESPACES: [&str; 5] = ["uts", "pid", "mnt", "ipc", "net"];

/// The mount source of the tmpfs on a container's /dev: `minidock/ID`. By it a container is recognised.
pub const MARK: &str = "minidock/";

/// The inode number of a namespace: `/proc/PID/ns/uts` reads `uts:[4026531838]`. `pid` may be "self".
#[track_caller]
pub fn namespace(pid: impl std::fmt::Display, kind: &str) -> u64 {
    let path = format!("/proc/{pid}/ns/{kind}");
    let link = fs::read_link(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    inode(&link.to_string_lossy()).unwrap_or_else(|| panic!("{path}: {}", link.display()))
}

/// The number in `uts:[4026531838]`.
pub fn inode(link: &str) -> Option<u64> {
    link.split_once(":[")?.1.strip_suffix(']')?.parse().ok()
}

/// A field of /proc/PID/status; `None` when the process is gone or the field unknown.
pub fn status(pid: i32, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status
        .lines()
        .find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim().to_owned()))
}

/// The ids of a process in each PID namespace that it is in, the host's first.
pub fn ns_pids(pid: i32) -> Vec<i32> {
    status(pid, "NSpid")
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|id| id.parse().ok())
        .collect()
}

/// All processes that this /proc shows.
pub fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Whether the process exists and is not a zombie.
pub fn is_alive(pid: i32) -> bool {
    status(pid, "State").is_some_and(|state| !state.starts_with(['Z', 'X']))
}

/// Children, their children and so on, each before its own children.
pub fn descendants(pid: i32) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for process in processes() {
        if let Some(parent) = status(process, "PPid").and_then(|parent| parent.parse().ok()) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut found = vec![pid];
    let mut next = 0;
    while next < found.len() {
        found.extend(children.remove(&found[next]).unwrap_or_default());
        next += 1;
    }
    found.split_off(1)
}

/// The command line of a process, word for word; `None` when it is gone. Zombies and kernel threads have an empty one.
pub fn cmdline(pid: i32) -> Option<Vec<String>> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    if words.is_empty() {
        return Some(Vec::new());
    }
    Some(
        words
            .split(|byte| *byte == 0)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect(),
    )
}

/// Every process with this token among its words, the way a lab's grader finds its probe.
pub fn with_token(token: &str) -> Vec<i32> {
    let carries = |pid: &i32| {
        cmdline(*pid).is_some_and(|words| words.iter().any(|word| word.contains(token)))
    };
    processes().into_iter().filter(carries).collect()
}

/// The descriptors of a process.
pub fn descriptors(pid: i32) -> Vec<i32> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    let mut numbers: Vec<i32> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// The id of the container that a process is in, by the mark in its mount table.
pub fn container_id(pid: i32) -> Option<String> {
    let marked =
        mounts(pid).into_iter().find(|mount| mount.point == "/dev" && mount.kind == "tmpfs")?;
    Some(marked.source.strip_prefix(MARK)?.to_owned())
}

/// The processes of this /proc that are in a container whose id begins with `prefix`.
pub fn in_container(prefix: &str) -> Vec<i32> {
    let inside = |pid: &i32| container_id(*pid).is_some_and(|id| id.starts_with(prefix));
    processes().into_iter().filter(inside).collect()
}

/// The mount table that a process sees; empty when it is gone.
pub fn mounts(pid: i32) -> Vec<Mount> {
    mount_table(&fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default())
}

/// The lines of a mountinfo file.
pub fn mount_table(mountinfo: &str) -> Vec<Mount> {
    mountinfo.lines().filter_map(Mount::parse).collect()
}

/// One line of /proc/PID/mountinfo: `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The directory of the file system that is mounted.
    pub root: String,
    /// Where, seen from the process's root.
    pub point: String,
    /// `rw,noatime`: of this mount.
    pub options: Vec<String>,
    /// `shared:1`, `master:1`: propagation; a private mount has none.
    pub propagation: Vec<String>,
    /// `ext3`.
    pub kind: String,
    /// `/dev/root`, or whatever the mounter wrote there.
    pub source: String,
    /// `rw,errors=continue`: of the file system.
    pub super_options: Vec<String>,
}

impl Mount {
    /// Whether nothing can be written through this mount.
    pub fn is_read_only(&self) -> bool {
        self.options.iter().any(|option| option == "ro")
    }

    fn parse(line: &str) -> Option<Mount> {
        let (mount, system) = line.split_once(" - ")?;
        let (mount, system): (Vec<_>, Vec<_>) =
            (mount.split(' ').collect(), system.split(' ').collect());
        let list = |text: &str| text.split(',').map(str::to_owned).collect();
        Some(Mount {
            root: unescaped(mount.get(3)?),
            point: unescaped(mount.get(4)?),
            options: list(mount.get(5)?),
            propagation: mount.get(6..)?.iter().map(|&field| field.to_owned()).collect(),
            kind: (*system.first()?).to_owned(),
            source: unescaped(system.get(1)?),
            super_options: list(system.get(2)?),
        })
    }
}

/// The kernel writes a blank as `\040`, and so tab, newline and backslash.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, letter)| text.replace(code, letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{program, random_token};

    #[test]
    fn a_mountinfo_line_is_taken_apart() {
        let mount = Mount::parse(
            r"36 35 98:0 /mnt1 /m\0402 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue",
        );
        let mount = mount.unwrap();
        assert_eq!((mount.root.as_str(), mount.point.as_str()), ("/mnt1", "/m 2"));
        assert_eq!(mount.propagation, ["master:1", "shared:2"]);
        assert_eq!((mount.kind.as_str(), mount.source.as_str()), ("ext3", "/dev/root"));
        assert_eq!(
            (mount.options, mount.super_options),
            (vec!["rw".into(), "noatime".into()], vec!["rw".into(), "errors=continue".into()])
        );
        assert_eq!(
            Mount::parse("36 35 98:0 / /p ro - proc proc rw")
                .map(|mount| (mount.is_read_only(), mount.propagation.len())),
            Some((true, 0))
        );
        assert_eq!(Mount::parse("no mount at all"), None);
    }

    #[test]
    fn this_process_is_described() {
        let pid = std::process::id() as i32;
        assert_eq!(namespace(pid, "uts"), namespace("self", "uts"));
        assert_eq!(inode("net:[4026531840]"), Some(4026531840));
        assert_eq!(ns_pids(pid).last(), Some(&pid));
        assert!(is_alive(pid) && !is_alive(-1));
        assert!(mounts(pid).iter().any(|mount| mount.point == "/"));
        assert!(descriptors(pid).contains(&2));
        assert_eq!(container_id(pid), None);
    }

    #[test]
    fn a_process_is_found_by_its_token_and_by_its_parents() {
        let token = random_token();
        assert!(with_token(&token).is_empty());
        let shell =
            program("sh").args(["-c", "sh -c 'echo ready; sleep 600; :' $0; :", &token]).spawn();
        shell.wait_for_line("ready");
        let (found, below) = (with_token(&token), descendants(shell.pid()));
        assert!(found.contains(&shell.pid()) && found.contains(&below[0]), "{found:?} {below:?}");
        assert_eq!(cmdline(shell.pid()).unwrap().last(), Some(&token));
        below.iter().for_each(|&pid| {
            _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL)
        });
    }
}
