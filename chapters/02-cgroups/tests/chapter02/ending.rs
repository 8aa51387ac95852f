//! The end: everything in a container dies with it, whatever it did to get away, and nothing is left of its groups.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{cgroup, host, random_token, wait_for};

use crate::{SLEEP, container, has_left_nothing, leaves_nothing, may_limit, minidock};

fn alive(token: &str) -> Vec<i32> {
    host::with_token(token).into_iter().filter(|&pid| host::is_alive(pid)).collect()
}

/// Waits for their end. A killed process leaves its group a moment before it is gone.
#[track_caller]
pub(crate) fn all_die(token: &str) {
    wait_for(&format!("the end of {:?}", alive(token)), || alive(token).is_empty().then_some(()));
}

#[test]
fn a_killed_command_line_takes_everything_along() {
    if !may_limit() {
        return;
    }
    for options in ["", "--init", "--pid host", "--pid host --init", "-m 64m --pids-limit 50"] {
        let token = random_token();
        // One that is its own session's, in the background, and one in front.
        let script = format!("setsid sh -c 'sleep 600; : {token}' & sleep 600; : {token}");
        let one = container(options, &script);
        wait_for("both", || (alive(&token).len() >= 3).then_some(()));
        let name = one.name.clone();
        kill(Pid::from_raw(one.running.pid()), Signal::SIGKILL).unwrap();
        all_die(&token);
        leaves_nothing(&name);
    }
}

#[test]
fn it_is_killed_at_any_moment_and_nothing_is_left() {
    if !may_limit() {
        return;
    }
    let (token, mut names) = (random_token(), Vec::new());
    for _ in 0..30 {
        let name = random_token();
        let run = minidock("run --rm --name").arg(&name).words("--pid host -m 64m lab");
        let run = run.sh("sleep 600; :").arg(&token).spawn();
        // From before the first call to well after the exec.
        std::thread::sleep(std::time::Duration::from_micros(crate::random(0, 25_000)));
        run.kill_alone();
        names.push(name);
    }
    all_die(&token);
    // Who is killed before it has a keeper leaves an empty group: `clean`, or the next of that name, removes it.
    for name in names {
        wait_for("an empty group, or none", || {
            let processes = |directory: &std::path::PathBuf| {
                std::fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default()
            };
            cgroup::named(&name).iter().all(|group| processes(group).is_empty()).then_some(())
        });
        minidock("run --rm --name").arg(&name).words("lab true").run().success();
        has_left_nothing(&name);
    }
}

#[test]
fn who_gets_away_from_its_parent_does_not_get_away() {
    if !may_limit() {
        return;
    }
    // With the host's process ids, no PID namespace ends with its first process: only the group knows who was in it.
    for (options, escape) in [
        ("--pid host", "(setsid sh -c 'sleep 600; : TOKEN' &) &"),
        ("--pid host", "(setsid sh -c '(setsid sh -c \"sleep 600; : TOKEN\" &)' &)"),
        ("--pid host", "setsid unshare --pid --fork sh -c 'sleep 600; : TOKEN' &"),
        ("", "setsid unshare --pid --fork sh -c 'sleep 600; : TOKEN' &"),
        ("", "trap '' TERM HUP INT; (trap '' TERM HUP; sleep 600; : TOKEN) &"),
    ] {
        let token = random_token();
        let script = format!("{}\nread go; exit 5", escape.replace("TOKEN", &token));
        let name = random_token();
        let run = minidock("run -i --rm --name").arg(&name).words(options).arg("lab");
        let mut run = run.sh(&script).open_stdin().spawn();
        // The escaped one's sleep, whichever way it took.
        wait_for(escape, || {
            let of_shells = alive(&token);
            let sleeps =
                |pid: &i32| host::cmdline(*pid).is_some_and(|words| words == ["sleep", "600"]);
            of_shells.iter().any(|&pid| host::descendants(pid).iter().any(sleeps)).then_some(())
        });
        run.write("go\n");
        run.wait().code(5);
        all_die(&token);
        has_left_nothing(&name);
    }
}

#[test]
fn the_frozen_die_too() {
    if !may_limit() {
        return;
    }
    let token = random_token();
    let one = container("--pid host", &format!("sleep 600; : {token}"));
    let core = one.core();
    let (file, value) = match core.version {
        1 => ("freezer.state", "FROZEN"),
        _ => ("cgroup.freeze", "1"),
    };
    std::fs::write(core.directory.join(file), value).unwrap();
    let name = one.name.clone();
    kill(Pid::from_raw(one.running.pid()), Signal::SIGKILL).unwrap();
    all_die(&token);
    leaves_nothing(&name);
}

#[test]
fn groups_below_its_own_go_too() {
    if !may_limit() {
        return;
    }
    // Made from outside: a container cannot.
    let one = container("", SLEEP);
    for group in one.groups() {
        std::fs::create_dir_all(group.directory.join("below/further")).unwrap();
    }
    let name = one.name.clone();
    one.running.signal(Signal::SIGKILL);
    leaves_nothing(&name);
}

#[test]
fn a_keeper_outlives_nobody_and_is_no_part_of_the_container() {
    if !may_limit() {
        return;
    }
    let one = container("", SLEEP);
    let own = host::cmdline(one.running.pid());
    let keeper = wait_for("the keeper", || {
        let below = host::descendants(one.running.pid());
        below.into_iter().find(|&pid| host::cmdline(pid) == own)
    });
    assert!(!one.core().processes().contains(&keeper));
    // No stream of the caller's: who reads the container's output would wait for the keeper's end.
    let target = |stream| std::fs::read_link(format!("/proc/{keeper}/fd/{stream}"));
    let stream = || (0..3).any(|n| target(n).is_ok_and(|to| to != Path::new("/dev/null")));
    wait_for("a keeper without streams", || (!stream()).then_some(()));
    kill(Pid::from_raw(one.pid), Signal::SIGKILL).unwrap();
    one.running.wait().code(137);
    assert!(!host::is_alive(keeper), "a keeper without a group");
    has_left_nothing(&one.name);
}
