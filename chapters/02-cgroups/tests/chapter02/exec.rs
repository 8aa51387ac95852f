//! `exec`: who comes in later is in the same groups, limited and counted with the others.

use testkit::cgroup;

use crate::{SLEEP, container, leaves_nothing, may_limit, minidock};

#[test]
fn it_joins_the_group_in_every_hierarchy() {
    if !may_limit() {
        return;
    }
    let one = container("", SLEEP);
    let second = minidock("exec").arg(one.pid.to_string());
    let second = second.sh("cat /proc/self/cgroup; echo ready; exec sleep 601").spawn();
    second.wait_for_line("ready");
    let joined = second.container_pid();
    assert_ne!(joined, one.pid);
    assert_eq!(cgroup::groups(joined), cgroup::groups(one.pid));
    for group in one.groups() {
        let mut processes = group.processes();
        processes.sort_unstable();
        let mut both = [one.pid, joined];
        both.sort_unstable();
        assert_eq!(processes, both, "{group:?}");
    }
    let namespace = |pid| testkit::host::namespace(pid, "cgroup");
    assert_eq!(namespace(joined), namespace(one.pid));
}

#[test]
fn it_is_limited_with_the_others() {
    if !may_limit() {
        return;
    }
    let one = container("-m 32m --pids-limit 20", SLEEP);
    let exec = || minidock("exec").arg(one.pid.to_string());
    exec().words("/probe eat 64M").run().code(137);
    // The container's own, and the bomb.
    exec().words("/probe forkbomb").run().success().stdout_contains("processes=18\n");
    assert!(testkit::host::is_alive(one.pid));
}

#[test]
fn it_ends_with_the_container() {
    if !may_limit() {
        return;
    }
    let one = container("", SLEEP);
    let second = minidock("exec").arg(one.pid.to_string()).words("sleep 601").spawn();
    let joined = second.container_pid();
    let name = one.name.clone();
    drop(one);
    second.wait().code(137);
    assert!(!testkit::host::is_alive(joined));
    leaves_nothing(&name);
}
