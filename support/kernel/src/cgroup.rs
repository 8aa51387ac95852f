//! Control groups (cgroups(7)): a directory is a group, a file in it a setting or a counter. The
//! kernel's documents admin-guide/cgroup-v1 and admin-guide/cgroup-v2 say what the files mean.

use crate::descriptor::take_new;
use crate::error::Result;
use crate::explain::{call, flags};
use crate::text;
use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{Mode, mkdirat};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Which of the kernel's two interfaces a hierarchy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// A hierarchy for each controller, or for a few.
    V1,
    /// One hierarchy for all (the unified one); `cgroup2` in mount tables.
    V2,
}

/// A tree of groups that can be seen here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its interface.
    pub version: Version,
    /// What it controls: of version 1 for the whole tree, of version 2 for our own group.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub point: PathBuf,
    /// The part of the tree that is mounted there, as /proc/PID/cgroup would name it.
    pub root: PathBuf,
    /// Our own group's directory; none if it lies outside of that part.
    pub own: Option<PathBuf>,
}

/// The hierarchies that this process can see, by /proc/self/mountinfo and /proc/self/cgroup: the
/// unified one first, and none whose place another mount has covered.
pub fn hierarchies() -> std::io::Result<Vec<Hierarchy>> {
    let mounts = text::read("/proc/self/mountinfo")?;
    let groups = text::read("/proc/self/cgroup")?;
    let mut found: Vec<Hierarchy> =
        mounts.lines().filter_map(|line| Hierarchy::parse(line, &groups)).collect();
    found.sort_by_key(|hierarchy| std::cmp::Reverse(hierarchy.version));
    Ok(found)
}

impl Hierarchy {
    fn parse(line: &str, groups: &str) -> Option<Hierarchy> {
        let (mount, system) = line.split_once(" - ")?;
        let mut system = system.split(' ');
        let version = match system.next()? {
            "cgroup" => Version::V1,
            "cgroup2" => Version::V2,
            _ => return None,
        };
        let options: Vec<&str> = system.nth(1)?.split(',').collect();
        let mount: Vec<&str> = mount.split(' ').collect();
        let (device, root, point) = (mount.get(2)?, mount.get(3)?, mount.get(4)?);
        if !shows(point, device) {
            return None;
        }
        // Lines read `4:memory:/path`, `1:name=systemd:/path` and, for version 2, `0::/path`.
        let of_this = |line: &&str| {
            let names = line.split(':').nth(1).unwrap_or("");
            match version {
                Version::V2 => names.is_empty(),
                Version::V1 => {
                    !names.is_empty() && names.split(',').all(|name| options.contains(&name))
                }
            }
        };
        let mut fields = groups.lines().find(of_this)?.splitn(3, ':').skip(1);
        let (names, ours) = (fields.next()?, fields.next()?);
        // Joined from its parts: joining nothing would leave a slash at the end.
        let own = Path::new(ours)
            .strip_prefix(root)
            .ok()
            .map(|below| -> PathBuf { Path::new(point).join(below).components().collect() });
        let controllers = match (version, &own) {
            (Version::V1, _) => names.to_owned(),
            (_, Some(own)) => text::read(own.join("cgroup.controllers")).unwrap_or_default(),
            (_, None) => String::new(),
        };
        let controllers = controllers.split([',', ' ', '\n']).filter(|name| !name.is_empty());
        Some(Hierarchy {
            version,
            controllers: controllers.map(str::to_owned).collect(),
            point: point.into(),
            root: root.into(),
            own,
        })
    }

    /// Where groups can be made that are given controllers: version 1, in our own group; version 2, in
    /// the root of all groups, or beside our own, as a group with processes (us, for a start) gives
    /// none. None if that place cannot be seen.
    pub fn base(&self) -> Option<&Path> {
        let own = self.own.as_deref()?;
        // The root alone has no type. Of a part of the tree, what is above its top cannot be seen.
        let is_root = || !own.join("cgroup.type").exists();
        if self.version == Version::V1 || is_root() {
            return Some(own);
        }
        own.parent().filter(|_| own != self.point)
    }

    /// The directory of a group that /proc/PID/cgroup names, if it can be seen here.
    pub fn directory(&self, group: &str) -> Option<PathBuf> {
        let below = Path::new(group).strip_prefix(&self.root).ok()?;
        Some(self.point.join(below).components().collect())
    }
}

/// Whether what is seen at a place is the file system with this device number, and not another one
/// that was mounted over it.
fn shows(point: &str, device: &str) -> bool {
    use nix::sys::stat::{major, minor, stat};
    stat(point)
        .is_ok_and(|found| format!("{}:{}", major(found.st_dev), minor(found.st_dev)) == device)
}

/// Makes a group; false if it was there.
pub fn make(group: &Path, mode: u32) -> Result<bool> {
    let path = c_string(group);
    let made = call(
        "mkdirat",
        || format!("AT_FDCWD, {path:?}, 0{mode:o}"),
        || mkdirat(AT_FDCWD, &*path, Mode::from_bits_truncate(mode)),
    );
    match made {
        Err(error) if error.errno == Errno::EEXIST => Ok(false),
        made => made.map(|()| true),
    }
}

/// Removes a group; false if it was gone. The kernel refuses (EBUSY) while it has processes or
/// groups below it.
pub fn remove(group: &Path) -> Result<bool> {
    let path = c_string(group);
    let removed = call(
        "rmdir",
        || format!("{path:?}"),
        // SAFETY: path is a C string.
        || Errno::result(unsafe { libc::rmdir(path.as_ptr()) }).map(drop),
    );
    match removed {
        Err(error) if error.errno == Errno::ENOENT => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// Opens a group's directory, to be locked or to start a process in.
pub fn open(group: &Path) -> Result<OwnedFd> {
    openat2(&c_string(group), libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC)
}

/// Opens one of a group's files, to be written later.
pub fn open_file(file: &Path) -> Result<OwnedFd> {
    openat2(&c_string(file), libc::O_WRONLY | libc::O_CLOEXEC)
}

fn openat2(path: &CStr, how: i32) -> Result<OwnedFd> {
    // SAFETY: all-zero is a valid open_how, and the only way to make one: it may grow.
    let mut open_how: libc::open_how = unsafe { std::mem::zeroed() };
    open_how.flags = how as u64;
    call(
        "openat2",
        || {
            let words = &[
                (libc::O_WRONLY as u64, "O_WRONLY"),
                (libc::O_DIRECTORY as u64, "O_DIRECTORY"),
                (libc::O_CLOEXEC as u64, "O_CLOEXEC"),
            ];
            format!("AT_FDCWD, {path:?}, {{flags={}}}", flags(how as u64, words))
        },
        || {
            let size = size_of_val(&open_how);
            // SAFETY: path is a C string, open_how a structure of the size given.
            take_new(unsafe {
                libc::syscall(libc::SYS_openat2, libc::AT_FDCWD, path.as_ptr(), &open_how, size)
            })
        },
    )
}

/// Writes a setting: the kernel takes it whole or not at all.
pub fn write(file: impl AsFd, value: &str) -> Result<()> {
    let file = file.as_fd();
    call(
        "write",
        || format!("{}, {value:?}, {}", file.as_raw_fd(), value.len()),
        || nix::unistd::write(file, value.as_bytes()).map(Length),
    )
    .map(drop)
}

/// How many bytes a write took.
struct Length(usize);

impl crate::explain::Outcome for Length {
    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// Opens a file of a group's and writes a setting.
pub fn set(file: &Path, value: &str) -> Result<()> {
    write(open_file(file)?, value)
}

/// From here on this process sees the groups that it is in now as the roots of all hierarchies
/// (cgroup_namespaces(7)).
pub fn enter_new_namespace() -> Result<()> {
    call(
        "unshare",
        || "CLONE_NEWCGROUP".into(),
        || nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWCGROUP),
    )
}

fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a group's path has no NUL byte")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &str = "4:memory:/slice\n2:cpu,cpuacct:/\n1:name=systemd:/slice\n0::/slice/own\n";

    /// The device that / is on: a mount that nothing covers.
    fn line(point: &str, root: &str, system: &str) -> String {
        use nix::sys::stat::{major, minor, stat};
        let device = stat(point).unwrap().st_dev;
        let (major, minor) = (major(device), minor(device));
        format!("30 24 {major}:{minor} {root} {point} rw,relatime - {system}")
    }

    #[test]
    fn a_hierarchy_is_read_from_its_mount_and_our_groups() {
        let memory = line("/", "/", "cgroup cgroup rw,memory");
        let memory = Hierarchy::parse(&memory, GROUPS).unwrap();
        assert_eq!((memory.version, memory.controllers), (Version::V1, vec!["memory".into()]));
        assert_eq!(memory.own, Some("/slice".into()));
        let both = line("/", "/", "cgroup cgroup rw,cpu,cpuacct");
        let both = Hierarchy::parse(&both, GROUPS).unwrap();
        assert_eq!(both.controllers, ["cpu", "cpuacct"]);
        assert_eq!(both.directory("/a/b"), Some("/a/b".into()));
    }

    #[test]
    fn a_part_of_a_tree_shows_only_what_lies_in_it() {
        let unified = line("/", "/slice", "cgroup2 cgroup2 rw");
        let unified = Hierarchy::parse(&unified, GROUPS).unwrap();
        assert_eq!((unified.version, unified.own.clone()), (Version::V2, Some("/own".into())));
        assert_eq!(unified.directory("/elsewhere"), None);
    }

    #[test]
    fn other_mounts_and_covered_ones_are_none() {
        assert_eq!(Hierarchy::parse(&line("/", "/", "tmpfs tmpfs rw"), GROUPS), None);
        let covered = "30 24 0:0 / / rw,relatime - cgroup2 cgroup2 rw";
        assert_eq!(Hierarchy::parse(covered, GROUPS), None);
    }
}
