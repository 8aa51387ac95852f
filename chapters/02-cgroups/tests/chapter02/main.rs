//! Chapter 02 from outside: each test is a shell session with the built binary, and what it claims is checked against the
//! kernel's own files, on whichever hierarchies of control groups this machine has. `MINIDOCK_BIN_02=/path/to/yours` puts
//! another binary to the same test; `cargo xtask test-v2` runs them where there is version 2 alone.

mod bad_input;
mod clean_up;
mod control;
mod delegation;
mod ending;
mod exec;
mod explain;
mod hierarchies;
mod limits;
mod load;
mod membership;
mod names;
mod process_limits;
mod views;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use testkit::cgroup::{self, Group};
use testkit::{Program, Running, host, random_token, root_or_skip, wait_for};

/// An account that has no name, no subordinate ids, and nothing to do with the tests.
const STRANGER: u32 = 43210;

/// What a container does that has only to be there.
const SLEEP: &str = "exec sleep 600";

/// `minidock-02 WORDS…`
fn minidock(words: &str) -> Program {
    testkit::chapter(2).words(words)
}

/// Whether this account may make control groups; a named skip if not. Only root may, unless somebody has delegated a part
/// of the tree, which has tests of its own.
fn may_limit() -> bool {
    root_or_skip("only root may make control groups here")
}

/// A number from `least` to `least + span`, that no answer can have been written for.
fn random(least: u64, span: u64) -> u64 {
    least + u64::from_str_radix(&random_token(), 16).expect("it is hexadecimal") % (span + 1)
}

/// A container with a name, which runs until the test ends.
struct Container {
    name: String,
    /// Its command line.
    running: Running,
    /// Its first process.
    pid: i32,
}

/// `minidock-02 run --name NAME OPTIONS lab sh -c SCRIPT`, once the script has begun.
fn container(options: &str, script: &str) -> Container {
    let name = random_token();
    let run = minidock("run --rm --name").arg(&name).words(options).arg("lab");
    let running = run.sh(&format!("echo ready; {script}")).spawn();
    running.wait_for_line("ready");
    let pid = running.container_pid();
    keeper(&running);
    Container { name, running, pid }
}

/// Waits for the process that removes the groups when the command line is killed: started while the command already runs.
fn keeper(running: &Running) -> i32 {
    let own = host::cmdline(running.pid());
    wait_for("the keeper", || {
        let mut below = host::descendants(running.pid()).into_iter();
        below.find(|&pid| host::cmdline(pid) == own && host::container_id(pid).is_none())
    })
}

impl Container {
    /// Microseconds of processor time that it has used, by the kernel's count.
    fn processor_time(&self) -> u64 {
        match self.core() {
            core if core.version == 2 => core.number("cpu.stat", "usage_usec"),
            _ => self.group("cpuacct").number("cpuacct.usage", "") / 1000,
        }
    }

    /// Its group that has this controller's files.
    #[track_caller]
    fn group(&self, controller: &str) -> Group {
        let group = cgroup::group(self.pid, controller);
        group.unwrap_or_else(|| panic!("no controller {controller}: {:?}", self.groups()))
    }

    /// What the file of this controller holds, which each version calls otherwise.
    #[track_caller]
    fn value(&self, controller: &str, v1: &str, v2: &str) -> String {
        let group = self.group(controller);
        group.read(if group.version == 1 { v1 } else { v2 })
    }

    /// The groups that it is in and that are its own.
    fn groups(&self) -> Vec<Group> {
        let own = |group: &Group| group.directory.ends_with(&self.name);
        cgroup::groups(self.pid).into_iter().filter(own).collect()
    }

    /// The one whose processes are the container's: that of version 2, or else the freezer's.
    fn core(&self) -> Group {
        let groups = self.groups();
        let freezer = |group: &&Group| group.controllers.iter().any(|name| name == "freezer");
        let unified = groups.iter().find(|group| group.version == 2);
        unified.or_else(|| groups.iter().find(freezer)).expect("it has a group").clone()
    }
}

/// Waits until no hierarchy has a group of this name any more.
#[track_caller]
fn leaves_nothing(name: &str) {
    let left = || cgroup::named(name);
    wait_for(&format!("the end of {:?}", left()), || left().is_empty().then_some(()));
}

/// That no hierarchy has a group of this name, now.
#[track_caller]
fn has_left_nothing(name: &str) {
    assert_eq!(cgroup::named(name), Vec::<PathBuf>::new());
}

/// The binary as a stranger's, who may not look where it was built.
struct Stranger(tempfile::TempDir);

impl Stranger {
    fn new() -> Stranger {
        let home = testkit::fresh_root();
        let binary = home.path().join("minidock-02");
        fs::copy(testkit::binary(2), &binary).unwrap();
        fs::set_permissions(&binary, Permissions::from_mode(0o755)).unwrap();
        chown(home.path(), Some(STRANGER), Some(STRANGER)).unwrap();
        Stranger(home)
    }

    fn run(&self, words: &str) -> Program {
        let program = testkit::program(self.0.path().join("minidock-02")).words(words);
        program.state(self.0.path()).as_user(STRANGER)
    }
}
