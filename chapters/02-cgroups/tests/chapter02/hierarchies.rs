//! Whatever a machine's hierarchies are like: version 1 alone, one that cannot be written, a controller that is missing, a
//! group of one's own.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{Program, cgroup, here_or_skip, host, random_token, wait_for};

use crate::{Container, has_left_nothing, leaves_nothing, may_limit, minidock};

/// In a mount namespace of its own, after this script has changed the mounts there.
fn with_mounts(program: Program, script: &str) -> Program {
    let script = format!("set -e; {script}\nexec \"$@\"");
    program.within(&script).under("unshare --mount --propagation private")
}

/// Takes every mount of version 2 away.
const V1_ALONE: &str = r#"
    while read -r id parent device root point rest; do
        case $rest in *" - cgroup2 "*) umount -l "$point";; esac
    done < /proc/self/mountinfo"#;

/// Makes every mount of a hierarchy read-only, as most containers have them.
const READ_ONLY: &str = r#"
    while read -r id parent device root point rest; do
        case $rest in *" - cgroup"*) mount -o remount,bind,ro "$point";; esac
    done < /proc/self/mountinfo"#;

fn has_freezer() -> bool {
    let freezer = cgroup::group(std::process::id() as i32, "freezer");
    here_or_skip(
        may_limit() && freezer.is_some_and(|group| group.version == 1),
        "there is no version 1 of control groups here",
        "run the tests on a machine that has it too",
    )
}

fn v1_alone(options: &str, script: &str) -> Container {
    let name = random_token();
    let run = minidock("run --rm --name").arg(&name).words(options).arg("lab");
    let run = run.sh(&format!("echo ready; {script}"));
    let running = with_mounts(run, V1_ALONE).spawn();
    running.wait_for_line("ready");
    let pid = running.container_pid();
    crate::keeper(&running);
    Container { name, running, pid }
}

#[test]
fn version_1_alone_limits_and_freezes() {
    if !has_freezer() {
        return;
    }
    let one = v1_alone("-m 40m --pids-limit 50", "exec sleep 600");
    assert!(one.groups().iter().all(|group| group.version == 1), "{:?}", one.groups());
    let freezer = one.group("freezer");
    assert!(freezer.directory.ends_with(&one.name), "{freezer:?}");
    assert_eq!(freezer.processes(), [one.pid]);
    assert_eq!(one.group("pids").read("pids.max"), "50");
    assert_eq!(one.group("memory").number("memory.limit_in_bytes", ""), 40 << 20);
    let name = random_token();
    let eat = minidock("run -m 32m --name").arg(&name).words("lab /probe eat 64M");
    let session = with_mounts(eat, V1_ALONE).run();
    session.code(137).stderr_contains("OOM-killed: limit 32MiB, peak ");
    has_left_nothing(&name);
}

#[test]
fn version_1_alone_kills_all_also_the_frozen() {
    if !has_freezer() {
        return;
    }
    for freeze in [false, true] {
        let token = random_token();
        let script = format!("setsid sh -c 'sleep 600; : {token}' & sleep 600; : {token}");
        let one = v1_alone("--pid host", &script);
        let alive = || host::with_token(&token).into_iter().filter(|&pid| host::is_alive(pid));
        wait_for("both", || (alive().count() >= 3).then_some(()));
        if freeze {
            std::fs::write(one.group("freezer").directory.join("freezer.state"), "FROZEN").unwrap();
        }
        let name = one.name.clone();
        kill(Pid::from_raw(one.running.pid()), Signal::SIGKILL).unwrap();
        wait_for("the end", || (alive().count() == 0).then_some(()));
        leaves_nothing(&name);
    }
}

#[test]
fn version_1_alone_stops_a_fork_bomb_that_has_left_its_parent() {
    if !has_freezer() {
        return;
    }
    let name = random_token();
    let run = minidock("run --pid host --pids-limit 60 --name").arg(&name).arg("lab");
    let run = run.sh("bomb() { bomb | bomb & sleep 0.01; }; bomb 2>/dev/null; sleep 0.2; exit 6");
    // The shell may be refused a process, and then ends as it likes.
    let session = with_mounts(run, V1_ALONE).run();
    assert!(session.status().code().is_some(), "{session}");
    has_left_nothing(&name);
}

#[test]
fn where_groups_are_read_only_a_container_runs_and_a_limit_is_refused() {
    if !may_limit() {
        return;
    }
    let run = |words: &str| with_mounts(minidock("run").words(words), READ_ONLY).run();
    run("lab /probe exit 3").code(3).stderr("");
    let mut options = vec![("--memory", "40m"), ("--pids-limit", "50")];
    // From chapter 03 on a name is kept elsewhere.
    options.extend(std::env::var_os("MINIDOCK_BIN_02").is_none().then_some(("--name", "it")));
    for (option, value) in options {
        let session = run(&format!("{option} {value} lab /probe exit 3"));
        session.code(125).stdout("").stderr_contains(option).stderr_contains("read-only");
        session.stderr_contains("\n  try: ");
    }
}

#[test]
fn a_controller_that_is_missing_is_named() {
    if !may_limit() {
        return;
    }
    let pids = cgroup::hierarchies().into_iter();
    let pids = pids.filter(|group| group.controllers.iter().any(|name| name == "pids"));
    let Some(pids) = pids.map(|group| group.directory.display().to_string()).next() else {
        here_or_skip(false, "pids is no hierarchy of version 1 here", "it has a test on version 2");
        return;
    };
    let cover = format!("mount -t tmpfs none {pids}");
    let run = |words: &str| with_mounts(minidock("run").words(words), &cover).run();
    let session = run("--pids-limit 50 lab /probe exit 3");
    session.code(125).stdout("").stderr_contains("controller pids").stderr_contains("\n  try: ");
    run("-m 40m lab /probe exit 3").code(3).stderr("");
}

#[test]
fn without_any_hierarchy_a_container_runs_and_a_limit_is_refused() {
    if !may_limit() {
        return;
    }
    let run = |words: &str| {
        with_mounts(minidock("run").words(words), "mount -t tmpfs none /sys/fs/cgroup").run()
    };
    run("lab /probe exit 3").code(3).stderr("");
    run("-m 40m lab true").code(125).stderr_contains("--memory").stderr_contains("\n  try: ");
    let named = run("--name some lab true");
    // From chapter 03 on, a name is kept elsewhere.
    if minidock("--version").run().success().text().starts_with("minidock-02") {
        named.code(125).stderr_contains("--name").stderr_contains("\n  try: ");
    }
}

#[test]
fn from_inside_a_group_the_containers_are_limited_by_it_too() {
    if !may_limit() {
        return;
    }
    // The outer one's processes are in a leaf of theirs; its limit holds for all.
    let one = crate::container("--pids-limit 40", crate::SLEEP);
    let script = r#"for group in $GROUPS; do echo 0 > "$group/cgroup.procs"; done; exec "$@""#;
    let groups: Vec<_> =
        one.groups().iter().map(|group| group.directory.display().to_string()).collect();
    let name = random_token();
    let inner =
        minidock("run -i --rm --name").arg(&name).words("lab").sh("echo ready; read go; exit 4");
    let mut inner = inner.within(script).env("GROUPS", groups.join(" ")).open_stdin().spawn();
    inner.wait_for_line("ready");
    let pid = inner.container_pid();
    for group in cgroup::groups(pid) {
        if group.version == 1 && group.directory.ends_with(&name) {
            assert!(
                group.directory.ends_with(format!("minidock/{}/minidock/{name}", one.name)),
                "{group:?}"
            );
        }
    }
    inner.write("go\n");
    inner.wait().code(4);
    has_left_nothing(&name);
}

#[test]
fn in_a_cgroup_namespace_without_its_own_mounts_the_cause_is_named() {
    if !may_limit() {
        return;
    }
    // A group in every hierarchy, which is the root of what a process in a new cgroup namespace has.
    let name = format!("minidock-test-{}", random_token());
    let groups: Vec<_> =
        cgroup::hierarchies().into_iter().map(|group| group.directory.join(&name)).collect();
    for group in &groups {
        std::fs::create_dir(group).unwrap();
    }
    let script = r#"
        for group in $GROUPS_OF_OURS; do
            for file in cpuset.cpus cpuset.mems; do
                test ! -e "$group/$file" || cat "${group%/*}/$file" 2> /dev/null > "$group/$file" || true
            done
            echo 0 > "$group/cgroup.procs" || exit 99
        done
        exec unshare --cgroup "$@""#;
    let all: Vec<_> = groups.iter().map(|group| group.display().to_string()).collect();
    let run = |words: &str| {
        let run = minidock("run").words(words).words("lab /probe exit 3");
        run.within(script).env("GROUPS_OF_OURS", all.join(" ")).run()
    };
    for option in ["-m 40m", "--pids-limit 50"] {
        let session = run(option);
        session.code(125).stdout("").stderr_contains("lies outside of what is mounted");
        session.stderr_contains("\n  try: ").stderr_contains("cgroup namespace");
    }
    run("").code(3).stderr("");
    for group in &groups {
        wait_for("its end", || std::fs::remove_dir(group).ok());
    }
}
