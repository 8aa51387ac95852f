//! The control groups of a disposable host. There is no namespace that would take groups along when it ends, so each check
//! gets a group in every hierarchy, below the one that the grader was started in. It is entered before anything of the
//! check runs, caps what a container without limits would take, and is removed with all that is in it.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::cgroup::{self, Group};

use crate::grade::Verdict;

/// Not `minidock`: nothing in here is a container of somebody's.
const HOME: &str = "minidock-lab";

/// What a container of version 1 has groups for; the freezer only where version 2 is not mounted.
const CONTROLLERS: [&str; 7] = ["memory", "cpu", "cpuacct", "cpuset", "pids", "blkio", "freezer"];

/// Of version 2.
const UNIFIED: [&str; 5] = ["memory", "cpu", "cpuset", "pids", "io"];

/// Caps, where there is such a file: many times what a check needs, and nothing that this machine would feel. Without
/// swap, a limit of memory acts the same on every machine.
const CAPS: [(&str, &str); 5] = [
    ("memory.limit_in_bytes", "1073741824"),
    ("memory.swappiness", "0"),
    ("memory.max", "1073741824"),
    ("memory.swap.max", "0"),
    ("pids.max", "512"),
];

/// For the last processes to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// A check's groups.
pub(crate) struct Ground {
    name: String,
    places: Vec<Place>,
}

struct Place {
    version: u8,
    directory: PathBuf,
    /// Tells a neighbour who clears up that somebody is here. A killed grader holds none.
    _lock: Flock<File>,
}

/// The groups of a process that its container has made for it, or should have.
pub(crate) fn groups(pid: i32) -> Vec<Group> {
    let mut groups = cgroup::groups(pid);
    let unified = groups.iter().any(|group| group.version == 2);
    groups.retain(|group| {
        let useful =
            |name: &String| CONTROLLERS.contains(&&name[..]) && !(unified && name == "freezer");
        group.version == 2 || group.controllers.iter().any(useful)
    });
    groups
}

impl Ground {
    /// Makes them; a verdict if that cannot be done here.
    pub(crate) fn make() -> Result<Ground, Verdict> {
        let mut ground = Ground { name: testkit::random_token(), places: Vec::new() };
        for group in groups(std::process::id() as i32) {
            ground.add(&group).map_err(|error| refused(&group, &error))?;
        }
        if ground.places.is_empty() {
            let remedy = "mount them: mount -t cgroup2 none /sys/fs/cgroup";
            return Err(Verdict::skip("no control groups are mounted here", remedy));
        }
        Ok(ground)
    }

    fn add(&mut self, own: &Group) -> io::Result<()> {
        let base =
            if own.version == 2 { shares_out(&own.directory)? } else { own.directory.clone() };
        let (home, directory) = (base.join(HOME), base.join(HOME).join(&self.name));
        let lock = loop {
            make(&home)?;
            // As long as it is locked, nobody removes it, or what has just been made in it.
            let Ok(_locked) = lock(&home, FlockArg::LockExclusive) else { continue };
            inherit(&base, &home)?;
            sweep(&home);
            match make(&directory) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                made => made?,
            }
            break lock(&directory, FlockArg::LockExclusiveNonblock)?;
        };
        self.places.push(Place { version: own.version, directory: directory.clone(), _lock: lock });
        inherit(&home, &directory)?;
        for (file, value) in CAPS {
            // Where there is no such file, there is no such limit, and its check is a skip.
            let _ = fs::write(directory.join(file), value);
        }
        if own.version == 2 {
            make(&directory.join("grader"))?;
        }
        Ok(())
    }

    /// The files into which a process writes 0 to be in these groups.
    pub(crate) fn entries(&self) -> Vec<PathBuf> {
        let entry = |place: &Place| match place.version {
            // Processes are in leaves alone; and the binary shall find that the group it is in has some.
            2 => place.directory.join("grader/cgroup.procs"),
            _ => place.directory.join("tasks"),
        };
        self.places.iter().map(entry).collect()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for place in &self.places {
            end(&place.directory);
        }
        for place in self.places.drain(..) {
            // What stays is found by the next grader, which tries again.
            let _removed = testkit::wait_at_most(PATIENCE, || remove(&place.directory).ok());
            if let Some(home) = place.directory.parent() {
                let _locked = lock(home, FlockArg::LockExclusive);
                // Others may have something in it.
                let _removed = fs::remove_dir(home);
            }
        }
    }
}

/// A group of version 2 in which ours can be made with all controllers that there are: the one above ours, as a group with
/// processes (us, for a start) gives none; but the root of all groups, which alone has no type, does.
fn shares_out(own: &Path) -> io::Result<PathBuf> {
    let above = own.parent().filter(|above| above.join("cgroup.procs").exists());
    let base = above.filter(|_| own.join("cgroup.type").exists()).unwrap_or(own);
    enable(base).map(|()| base.to_owned())
}

fn enable(group: &Path) -> io::Result<()> {
    let list = |file: &str| fs::read_to_string(group.join(file)).unwrap_or_default();
    let (given, enabled) = (list("cgroup.controllers"), list("cgroup.subtree_control"));
    let has = |list: &str, name: &str| list.split_whitespace().any(|word| word == name);
    for name in UNIFIED.iter().filter(|name| has(&given, name) && !has(&enabled, name)) {
        fs::write(group.join("cgroup.subtree_control"), format!("+{name}"))?;
    }
    Ok(())
}

/// What a new group needs before anybody can use it: in version 2 the controllers for those below it, in version 1 the
/// processors and memory nodes of the one above.
fn inherit(above: &Path, group: &Path) -> io::Result<()> {
    if group.join("cgroup.controllers").exists() {
        return enable(group);
    }
    for file in ["cpuset.cpus", "cpuset.mems"].iter().filter(|file| group.join(file).exists()) {
        if fs::read_to_string(group.join(file))?.trim().is_empty() {
            fs::write(group.join(file), fs::read_to_string(above.join(file))?.trim())?;
        }
    }
    Ok(())
}

fn make(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn lock(directory: &Path, how: FlockArg) -> io::Result<Flock<File>> {
    Flock::lock(File::open(directory)?, how).map_err(|(_, errno)| errno.into())
}

/// Removes what killed graders have left.
fn sweep(home: &Path) {
    for left in below(home) {
        if lock(&left, FlockArg::LockExclusiveNonblock).is_ok() {
            end(&left);
            // Not ours to insist on.
            let _removed = remove(&left);
        }
    }
}

/// Lets everything in a group and below it go on, and kills it. None of this can fail in a way that matters: what has
/// ended is what we want, and what stays is seen when the group is removed.
fn end(group: &Path) {
    below(group).iter().for_each(|below| end(below));
    let _thawed = fs::write(group.join("freezer.state"), "THAWED");
    let _thawed = fs::write(group.join("cgroup.freeze"), "0");
    let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    // Of another PID namespace they have the number 0, which would be our own process group.
    for pid in processes.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0) {
        let _killed = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

fn remove(group: &Path) -> io::Result<()> {
    below(group).iter().try_for_each(|below| remove(below))?;
    match fs::remove_dir(group) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn below(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| entry.path()).collect()
}

fn refused(group: &Group, error: &io::Error) -> Verdict {
    let reason = format!(
        "this account may make no control groups in {}: {error}",
        group.directory.display()
    );
    Verdict::skip(
        &reason,
        match group.version {
            2 => {
                "be root; or start it in a group of your own: systemd-run --user --scope -p Delegate=yes cargo xtask lab …"
            }
            _ => "be root: version 1 of control groups cannot be delegated",
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ground_is_entered_and_nothing_of_it_stays() {
        let ground = match Ground::make() {
            Ok(ground) => ground,
            Err(verdict) => {
                if testkit::root_or_skip(&verdict.observed) {
                    testkit::skip(&verdict.observed, &verdict.help);
                }
                return;
            }
        };
        let script = r#"for entry; do echo 0 > "$entry"; done; echo in; exec sleep 600"#;
        let sleeper = testkit::program("sh").args(["-c", script, "sh"]).args(ground.entries());
        let mut sleeper = sleeper.spawn();
        sleeper.wait_for_line("in");
        let name = ground.name.clone();
        let ours = |group: &&Group| group.directory.iter().any(|part| part == &name[..]);
        let entered = cgroup::groups(sleeper.pid());
        assert_eq!(entered.iter().filter(ours).count(), ground.places.len(), "{entered:?}");
        drop(ground);
        assert!(!sleeper.is_running() && cgroup::named(&name).is_empty());
    }
}
