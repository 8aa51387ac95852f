//! `clean` removes the groups that nobody minds, with what is in them, and spares every container that runs.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::PathBuf;
use testkit::{cgroup, here_or_skip, host, random_token, wait_for};

use crate::{SLEEP, container, may_limit, minidock};

#[test]
fn what_nobody_minds_goes_and_what_runs_stays() {
    if !may_limit() {
        return;
    }
    let one = container("", SLEEP);
    let token = random_token();
    let two = container("--pid host", &format!("sleep 600; : {token}"));
    let own = host::cmdline(two.running.pid());
    let keeper = wait_for("the keeper", || {
        let below = host::descendants(two.running.pid());
        below.into_iter().find(|&pid| host::cmdline(pid) == own)
    });
    // As where the machine's memory was short: the keeper first, then the command line.
    for pid in [keeper, two.running.pid()] {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    let name = two.name.clone();
    drop(two);
    let state = testkit::fresh_root();
    let clean = || minidock("clean").state(state.path()).run();
    // Another test's `clean` may have been first, which nobody can tell apart.
    clean().success();
    crate::leaves_nothing(&name);
    wait_for("its end", || {
        (!host::with_token(&token).into_iter().any(host::is_alive)).then_some(())
    });
    assert!(host::is_alive(one.pid));
    assert_eq!(one.core().processes(), [one.pid]);
    let again = clean();
    again.success().stdout_lacks(&one.name).stdout_lacks(&name);
}

#[test]
fn a_directory_that_belongs_to_no_group_goes_and_nobody_in_it_is_killed() {
    if !may_limit() {
        return;
    }
    // In the hierarchies of version 1, which containers join beside another one.
    let name = random_token();
    let core = |group: &cgroup::Group| group.controllers.iter().any(|name| name == "freezer");
    let mut others = cgroup::hierarchies();
    others.retain(|group| group.version == 1 && !core(group));
    if !here_or_skip(!others.is_empty(), "version 2 is all there is", "it has one hierarchy") {
        return;
    }
    let stranger = testkit::program("sleep").arg("600").spawn();
    let directories: Vec<_> =
        others.iter().map(|group| group.directory.join("minidock").join(&name)).collect();
    // Another test's `clean` may remove one before anybody is in it.
    let make = |directory: &PathBuf| {
        wait_for("a group", || std::fs::create_dir_all(directory.join("below")).ok());
    };
    directories.iter().for_each(make);
    // A new group of cpuset takes nobody.
    let pid = stranger.pid().to_string();
    let taken = wait_for("a group that takes it", || {
        directories.iter().find(|directory| {
            make(directory);
            std::fs::write(directory.join("cgroup.procs"), &pid).is_ok()
        })
    });
    let state = testkit::fresh_root();
    let clean = || minidock("clean").state(state.path()).run();
    clean().success();
    // Another test's may be at it.
    wait_for("the end of the others", || {
        let left: Vec<_> = directories.iter().filter(|directory| directory.exists()).collect();
        (left == [taken]).then_some(())
    });
    assert!(host::is_alive(stranger.pid()));
    drop(stranger);
    clean().success();
    crate::leaves_nothing(&name);
}

#[test]
fn what_is_somebody_elses_is_left_out() {
    if !may_limit() {
        return;
    }
    let one = container("", SLEEP);
    let user = crate::Stranger::new();
    user.run("clean").run().success().stderr("").stdout_lacks("left: ").stdout_lacks(&one.name);
    assert!(host::is_alive(one.pid));
    for limit in ["-m 64m", "--pids-limit 50", "--cpus 0.5"] {
        let session = user.run("update").words(limit).arg(&one.name).run();
        session.code(1).stderr_contains("is not yours to control").stderr_contains("sudo");
    }
}
