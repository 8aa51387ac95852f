//! Version 2 alone: a part of the tree that an ordinary user was given, processes in leaves only, controllers enabled from
//! the top. On version 1 nobody can be given a part of it safely, so that these tests count where there is version 2.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use testkit::{Program, cgroup, here_or_skip, random_token, wait_for};

use crate::{STRANGER, Stranger, may_limit, minidock};

/// A group at the top of the tree, which goes with the value, and with it all that is below.
struct Part(PathBuf);

impl Part {
    fn new(below: &[&str]) -> Part {
        let top = cgroup::hierarchies().remove(0).directory;
        let part = Part(top.join(format!("minidock-test-{}", random_token())));
        fs::create_dir(&part.0).unwrap();
        for name in below {
            fs::create_dir_all(part.0.join(name)).unwrap();
        }
        part
    }

    /// Gives these to its children, from the top down.
    fn with(self, controllers: &str) -> Part {
        for group in [self.0.parent().unwrap(), &self.0] {
            fs::write(group.join("cgroup.subtree_control"), controllers).unwrap();
        }
        self
    }

    /// Delegates it, as admin-guide/cgroup-v2 says.
    fn given_to(self, user: u32, group: &str) -> Part {
        let owned = |group: &Path| {
            chown(group, Some(user), Some(user)).unwrap();
            for file in ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
                chown(group.join(file), Some(user), Some(user)).unwrap();
            }
        };
        let top = self.0.join(group);
        owned(&top);
        below(&top).iter().for_each(|group| owned(group));
        self
    }

    /// Starts a program in a group of it.
    fn start(&self, group: &str, program: Program) -> Program {
        let group = self.0.join(group);
        let script = r#"echo 0 > "$GROUP/cgroup.procs"; exec "$@""#;
        program.within(script).env("GROUP", group)
    }
}

fn below(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

impl Drop for Part {
    fn drop(&mut self) {
        fn remove(group: &Path) -> bool {
            let gone: Vec<bool> = below(group).iter().map(|group| remove(group)).collect();
            gone.iter().all(|gone| *gone) && fs::remove_dir(group).is_ok()
        }
        // Whoever was in it needs a moment to be gone. A group that stays harms nobody.
        testkit::wait_at_most(testkit::PATIENCE, || remove(&self.0).then_some(()));
    }
}

fn v2_alone() -> bool {
    here_or_skip(
        may_limit() && !cgroup::hierarchies().is_empty() && cgroup::is_v2_alone(),
        "it needs version 2 of control groups alone",
        "cargo xtask test-v2",
    )
}

#[test]
fn a_user_limits_in_the_part_that_was_delegated() {
    if !v2_alone() {
        return;
    }
    let part = Part::new(&["leaf"]).with("+memory +pids").given_to(STRANGER, "");
    let (user, name) = (Stranger::new(), random_token());
    let run = user.run(&format!("run --rm --name {name} -m 40m --pids-limit 50 lab sh -c"));
    let run = part.start("leaf", run.arg("echo ready; exec sleep 600")).spawn();
    run.wait_for_line("ready");
    let pid = run.container_pid();
    let group = cgroup::unified(pid).unwrap();
    assert_eq!(group.directory, part.0.join("minidock").join(&name));
    assert_eq!((group.read("pids.max"), group.number("memory.max", "")), ("50".into(), 40 << 20));
    assert_eq!(group.processes(), [pid]);
    drop(run);
    wait_for("its end", || (!testkit::host::is_alive(pid)).then_some(()));
    // The box that an ordinary user's container is in dies as a whole, and so nobody is left who would remove the group.
    part.start("leaf", user.run("clean")).run().success();
    crate::has_left_nothing(&name);
    let eat = user.run("run -m 32m lab /probe eat 64M");
    let session = part.start("leaf", eat).run();
    session.code(137).stderr_contains("OOM-killed: limit 32MiB, peak ");
    let bomb = user.run("run --pids-limit 20 lab /probe forkbomb");
    part.start("leaf", bomb).run().success().stdout_contains("processes=19\n");
    crate::has_left_nothing(&name);
}

#[test]
fn a_user_without_one_is_told_which_limits_cannot_be_kept() {
    if !v2_alone() {
        return;
    }
    let user = Stranger::new();
    user.run("run lab /probe exit 3").run().code(3).stdout("");
    let session = user.run("run -m 40m --pids-limit 50 lab /probe exit 3").run();
    session.code(125).stdout("").stderr_contains("--memory").stderr_contains("--pids-limit");
    session.stderr_contains("\n  try: ").stderr_contains("Delegate");
    user.run("run --rm --name some lab true").run().code(125).stderr_contains("--name");
}

#[test]
fn a_controller_that_was_not_delegated_is_named() {
    if !v2_alone() {
        return;
    }
    // What is above the user's has pids, and does not share it out.
    let part = Part::new(&["theirs/leaf"]).with("+memory").given_to(STRANGER, "theirs");
    let user = Stranger::new();
    let run = |words: &str| part.start("theirs/leaf", user.run(words)).run();
    run("run -m 40m lab /probe exit 3").code(3).stderr("");
    let session = run("run -m 40m --pids-limit 50 lab /probe exit 3");
    session.code(125).stdout("").stderr_contains("controller pids");
    session.stderr_contains("\n  try: ");
    // Nobody asks for it, and so nobody misses it.
    run("run lab /probe exit 3").code(3).stderr("");
}

#[test]
fn a_user_in_the_delegated_group_itself_is_told_of_leaves() {
    if !v2_alone() {
        return;
    }
    let part = Part::new(&[]).with("+memory").given_to(STRANGER, "");
    // With controllers enabled, it could have no processes.
    fs::write(part.0.join("cgroup.subtree_control"), "-memory").unwrap();
    let user = Stranger::new();
    let session = part.start("", user.run("run -m 40m lab /probe exit 3")).run();
    session.code(125).stdout("").stderr_contains("leaf").stderr_contains("\n  try: ");
    part.start("", user.run("run lab /probe exit 3")).run().code(3);
}

#[test]
fn root_in_a_group_with_processes_makes_the_containers_beside_it() {
    if !v2_alone() {
        return;
    }
    // Nothing is enabled for this part: root enables from the top what is needed.
    for enabled in ["", "+memory +pids"] {
        let part = Part::new(&["session/own"]);
        let part = if enabled.is_empty() { part } else { part.with(enabled) };
        let name = random_token();
        let run = minidock("run --cpus 0.5 --pids-limit 50 --name").arg(&name);
        let run = run.words("lab sh -c").arg("echo ready; exec sleep 600");
        let run = part.start("session/own", run).spawn();
        run.wait_for_line("ready");
        let group = cgroup::unified(run.container_pid()).unwrap();
        assert_eq!(group.directory, part.0.join("session/minidock").join(&name));
        assert_eq!(group.read("pids.max"), "50");
        assert_eq!(group.read("cpu.max"), "50000 100000");
        // Nobody was moved.
        let own = fs::read_to_string(part.0.join("session/own/cgroup.procs")).unwrap();
        assert!(own.lines().any(|pid| pid == run.pid().to_string()), "{own}");
        drop(run);
        crate::leaves_nothing(&name);
    }
}

/// Groups of two sessions lie at different places of the tree; a name is one container's all the same.
#[test]
fn a_name_is_taken_once_in_the_whole_tree() {
    if !v2_alone() {
        return;
    }
    let (part, name) = (Part::new(&["one/own", "other/own"]), random_token());
    let run = minidock("run --rm --name").arg(&name).words("lab sh -c");
    let run = run.arg("echo ready; exec sleep 600");
    let one = part.start("one/own", run).spawn();
    one.wait_for_line("ready");
    let pid = one.container_pid();
    let second = minidock("run --rm --name").arg(&name).words("lab true");
    let second = part.start("other/own", second).run();
    second.code(125).stdout("").stderr_contains(&name).stderr_contains("\n  try: ");
    assert!(testkit::host::is_alive(pid), "who was there goes on");
    minidock("kill").arg(&name).run().success();
    drop(one);
    crate::leaves_nothing(&name);
}

/// Its group lies beside ours, so that ours does not limit it: it is given the same limits.
#[test]
fn what_limits_us_limits_the_container() {
    if !v2_alone() {
        return;
    }
    let part = Part::new(&["session/own"]).with("+memory +pids +cpu");
    let session = part.0.join("session");
    fs::write(session.join("cgroup.subtree_control"), "+memory +pids +cpu").unwrap();
    for (file, limit) in [("pids.max", "30"), ("cpu.max", "20000 100000")] {
        fs::write(session.join("own").join(file), limit).unwrap();
    }
    let bomb = minidock("run lab /probe forkbomb");
    part.start("session/own", bomb).run().success().stdout_contains("processes=29\n");
    // A lower limit of its own is kept, a higher one is not.
    let name = random_token();
    let run = minidock("run --cpus 1 --pids-limit 7 --name").arg(&name);
    let run = run.words("lab sh -c").arg("echo ready; exec sleep 600");
    let run = part.start("session/own", run).spawn();
    run.wait_for_line("ready");
    let group = cgroup::unified(run.container_pid()).unwrap();
    assert_eq!(
        (group.read("pids.max"), group.read("cpu.max")),
        ("7".into(), "20000 100000".into())
    );
    drop(run);
    crate::leaves_nothing(&name);
}

/// The kernel lets a group with processes share out pids and processor time alone: it becomes threaded, and groups below it
/// take no process any more. Nobody's group shall become that by a container's start.
#[test]
fn a_group_with_processes_stays_what_it_is() {
    if !v2_alone() {
        return;
    }
    for enabled in ["+memory +pids +cpu", "+pids +cpu", ""] {
        let part = Part::new(&["session/own"]);
        for group in [part.0.parent().unwrap(), &part.0, &part.0.join("session")] {
            fs::write(group.join("cgroup.subtree_control"), enabled).unwrap();
        }
        for options in ["--pids-limit 20", "--cpus 0.5", ""] {
            let run = minidock("run").words(options).words("lab /probe exit 3");
            part.start("session/own", run).run().code(3).stdout("").stderr("");
        }
        for group in ["session", "session/own"] {
            let read = |file: &str| fs::read_to_string(part.0.join(group).join(file)).unwrap();
            assert_eq!(read("cgroup.type"), "domain\n", "{group} with {enabled}");
        }
        let own = fs::read_to_string(part.0.join("session/own/cgroup.subtree_control"));
        assert_eq!(own.unwrap().trim(), "");
    }
}

#[test]
fn two_sessions_have_containers_of_their_own() {
    if !v2_alone() {
        return;
    }
    let (one, two) = (Part::new(&["leaf"]), Part::new(&["leaf"]));
    let name = random_token();
    // The same name twice: each session has a tree of its own.
    for part in [&one, &two] {
        let run = minidock("run --rm --name").arg(&name).words("lab /probe cat /proc/self/cgroup");
        part.start("leaf", run).run().success().stdout("0::/\n");
    }
    crate::has_left_nothing(&name);
}
