//! A container in its control groups, and what the kernel says about those: which ones, by /proc/PID/cgroup, and what is in
//! their files. Every version of control groups has the same questions and other files.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use testkit::cgroup::Group;
use testkit::{Output, Running, host};

use super::subject::{Mounts, Subject};
use crate::grade::Verdict;
use crate::ground;

/// For a container that joins its group too late: other checks than the one of that do not mind.
const LATE: Duration = Duration::from_secs(1);

/// A container that runs.
pub(crate) struct Contained {
    pub(crate) running: Running,
    pub(crate) name: String,
    /// Its command, as the host numbers it.
    pub(crate) pid: i32,
    /// The groups of that.
    pub(crate) groups: Vec<Group>,
}

impl Subject {
    /// `BINARY run -i --name NAME OPTIONS ROOT PROBE WORDS`, in groups of its own.
    pub(crate) fn contained(&self, options: &str, words: &str) -> Result<Contained, Verdict> {
        let contained = self.unsettled(options, words)?;
        if is_apart(&contained.groups, &ours()) {
            return Ok(contained);
        }
        let help = "first of all it has to be in a group of its own: task 02.1";
        let evidence = shown(contained.pid, &contained.groups);
        Err(Verdict::fail("its command is in no group of its own", &evidence, help))
    }

    /// A container of `count` processes more, each in a session of its own.
    pub(crate) fn daemons(&self, options: &str, count: u32) -> Result<Contained, Verdict> {
        let mut contained = self.contained(options, &format!("gate daemons {count}"))?;
        contained.running.write("go\n");
        contained.running.wait_for_line(&format!("daemons={count}"));
        Ok(contained)
    }

    /// A container, in whatever groups it is.
    pub(crate) fn unsettled(&self, options: &str, words: &str) -> Result<Contained, Verdict> {
        let name = self.new_name();
        let run = self.binary(Mounts::Private).arg("run").words("-i --name").arg(&name);
        let run = run.words(options).arg(self.root.path()).arg(self.command()).words(words);
        let (running, pid) = self.start(run.open_stdin())?;
        let ours = ours();
        testkit::wait_at_most(LATE, || is_apart(&ground::groups(pid), &ours).then_some(()));
        Ok(Contained { running, name, pid, groups: ground::groups(pid) })
    }

    /// What a command of the binary says: `BINARY WORDS`.
    pub(crate) fn says(&self, words: &str) -> Output {
        self.binary(Mounts::Private).words(words).run()
    }

    /// Every process with the command as its first word.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let command = self.command();
        let ours = |pid: &i32| {
            host::cmdline(*pid).is_some_and(|words| {
                words.first().is_some_and(|word| word.ends_with(&command)) && host::is_alive(*pid)
            })
        };
        host::processes().into_iter().filter(ours).collect()
    }
}

impl Contained {
    /// Its group with the files of a controller; a skip if there is no such controller.
    pub(crate) fn with(&self, controller: &str) -> Result<&Group, Verdict> {
        let name = |group: &Group| match (group.version, controller) {
            (1, "io") => "blkio".to_owned(),
            _ => controller.to_owned(),
        };
        let has = |group: &&Group| group.controllers.contains(&name(group));
        if let Some(group) = self.groups.iter().find(has) {
            return Ok(group);
        }
        if ours().iter().any(|group| has(&group)) {
            let evidence = shown(self.pid, &self.groups);
            let help = "it is enabled in cgroup.subtree_control of the group above: task 02.1";
            let observed = format!("its group was not given the controller {controller}");
            return Err(Verdict::fail(&observed, &evidence, help));
        }
        let remedy = "`doctor` says who holds it: the kernel's command line, or a group above";
        Err(Verdict::skip(&format!("there is no controller {controller} here"), remedy))
    }

    /// The group that all of its processes are frozen and killed by.
    pub(crate) fn core(&self) -> Result<&Group, Verdict> {
        match self.groups.iter().find(|group| group.version == 2) {
            Some(group) => Ok(group),
            None => self.with("freezer"),
        }
    }
}

/// The groups of a container that it should have and has not: these are ours. In version 1, a container may do without a
/// group where it has no limit and nothing is counted that is not counted elsewhere.
pub(crate) fn shared<'a>(groups: &'a [Group], ours: &[Group]) -> Option<&'a Group> {
    let counts = |group: &&Group| {
        group.version == 2 || group.controllers.iter().any(|name| name == "memory")
    };
    groups.iter().filter(counts).find(|group| ours.contains(group))
}

fn is_apart(groups: &[Group], ours: &[Group]) -> bool {
    !groups.is_empty() && shared(groups, ours).is_none()
}

/// The grader's own groups: those that the binary is started in.
pub(crate) fn ours() -> Vec<Group> {
    ground::groups(std::process::id() as i32)
}

/// What a file holds, without the line's end.
pub(crate) fn read(group: &Group, file: &str) -> Option<String> {
    let text = fs::read_to_string(group.directory.join(file)).ok()?;
    Some(text.trim_end().to_owned())
}

/// The number in a file, or in its line `KEY NUMBER`.
pub(crate) fn number(group: &Group, file: &str, key: &str) -> Option<u64> {
    let text = read(group, file)?;
    let prefix = if key.is_empty() { String::new() } else { format!("{key} ") };
    text.lines().find_map(|line| line.strip_prefix(&prefix)?.parse().ok())
}

/// The names that both versions have for the same thing.
pub(crate) fn by_version<T>(group: &Group, v1: T, v2: T) -> T {
    if group.version == 1 { v1 } else { v2 }
}

/// Whether all of its processes are frozen.
pub(crate) fn is_frozen(core: &Group) -> bool {
    match core.version {
        1 => read(core, "freezer.state").is_some_and(|state| state == "FROZEN"),
        _ => number(core, "cgroup.events", "frozen") == Some(1),
    }
}

/// Freezes a group, or thaws it, by hand.
pub(crate) fn freeze(core: &Group, frozen: bool) {
    let (file, value) = match (core.version, frozen) {
        (1, true) => ("freezer.state", "FROZEN"),
        (1, false) => ("freezer.state", "THAWED"),
        (_, true) => ("cgroup.freeze", "1"),
        (_, false) => ("cgroup.freeze", "0"),
    };
    // A group that is gone needs neither.
    let _ = fs::write(core.directory.join(file), value);
}

/// Groups as evidence: those of the same path in a line.
pub(crate) fn shown(pid: i32, groups: &[Group]) -> String {
    let mut paths: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for group in groups {
        let controllers = group.controllers.join(",");
        let what =
            by_version(group, controllers.clone(), format!("version 2 with {controllers:?}"));
        // What is above our own groups is the same for all that is compared here.
        let path = group.directory.display().to_string();
        let below = path.find("/minidock").map_or(path.clone(), |at| format!("…{}", &path[at..]));
        paths.entry(below).or_default().push(what);
    }
    let lines: Vec<String> =
        paths.iter().map(|(path, what)| format!("{path} ({})", what.join(", "))).collect();
    format!("by /proc/{pid}/cgroup it is in {}", lines.join(" and "))
}
