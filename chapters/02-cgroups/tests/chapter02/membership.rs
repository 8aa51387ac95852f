//! A container is in its group before its first instruction, in every hierarchy, and sees that group as the root of all.

use testkit::cgroup;

use crate::{SLEEP, container, may_limit, minidock};

/// A limit of each hierarchy that is joined for its limits alone.
const ALL: &str = "--cpus 0.9 --cpuset-cpus 0 --pids-limit 50";

#[test]
fn it_is_in_a_group_of_its_own_in_every_hierarchy() {
    if !may_limit() {
        return;
    }
    // Version 1 counts memory and transfers of every container; the others are for those that ask.
    let one = container(ALL, SLEEP);
    let groups = one.groups();
    for controller in ["memory", "cpu", "cpuset", "pids", "io"] {
        // A controller that this machine does not have has no group either.
        if cgroup::group(std::process::id() as i32, controller).is_some() {
            let group = one.group(controller);
            assert!(group.directory.ends_with(format!("minidock/{}", one.name)), "{group:?}");
            assert_eq!(group.processes(), [one.pid], "{group:?}");
        }
    }
    for group in &groups {
        assert_eq!(group.processes(), [one.pid], "{group:?}");
    }
    // The directories that have its name are these and no others.
    let mut named = cgroup::named(&one.name);
    let mut own: Vec<_> = groups.into_iter().map(|group| group.directory).collect();
    named.sort();
    own.sort();
    assert_eq!(named, own);
}

#[test]
fn without_a_name_the_group_has_the_containers_id() {
    if !may_limit() {
        return;
    }
    let running = minidock("run --rm lab").sh("echo ready; exec sleep 600").spawn();
    running.wait_for_line("ready");
    let pid = running.container_pid();
    let id = testkit::host::container_id(pid).unwrap();
    assert_eq!(id.len(), 64);
    let own = cgroup::groups(pid).into_iter().filter(|group| group.directory.ends_with(&id));
    assert_eq!(own.count(), cgroup::named(&id).len());
    assert!(!cgroup::named(&id).is_empty());
}

#[test]
fn it_is_at_the_root_of_what_it_sees() {
    if !may_limit() {
        return;
    }
    // The first thing that it does: /probe has no loader and no start-up that could come before.
    let session = minidock("run").words(ALL).words("lab /probe cat /proc/self/cgroup").run();
    let lines = cgroup::memberships(&session.success().text());
    assert!(!lines.is_empty());
    let used = |names: &[String]| {
        let controllers = ["memory", "cpu", "cpuset", "pids", "blkio"];
        names.is_empty() || names.iter().any(|name| controllers.contains(&name.as_str()))
    };
    for (names, path) in lines.iter().filter(|(names, _)| used(names)) {
        assert_eq!(path, "/", "{names:?}");
    }
    // And yet it is not the root: from outside, it is a group of ours.
    let one = container(ALL, SLEEP);
    let (inside, outside) = (one.pid, std::process::id() as i32);
    let namespace = |pid| testkit::host::namespace(pid, "cgroup");
    assert_ne!(namespace(inside), namespace(outside));
    let lines = std::fs::read_to_string(format!("/proc/{inside}/cgroup")).unwrap();
    for (names, path) in cgroup::memberships(&lines).iter().filter(|(names, _)| used(names)) {
        assert!(path.ends_with(&format!("/minidock/{}", one.name)), "{names:?} {path}");
    }
}

#[test]
fn it_can_read_its_own_limits_and_write_none() {
    if !may_limit() {
        return;
    }
    let script = "
        cd /sys/fs/cgroup; test -d memory && cd memory
        cat cgroup.procs
        for file in cgroup.procs memory.max memory.limit_in_bytes; do
            test ! -e $file || { (echo 1 > $file) 2>&1; }
        done
        mkdir below 2>&1
        mount -o remount,bind,rw /sys/fs/cgroup 2>/dev/null && echo remounted
        grep -c cgroup /proc/self/mountinfo";
    let session = minidock("run -m 40m lab").sh(script).run();
    let text = session.success().text();
    let refused = text.lines().filter(|line| line.contains("Read-only file system")).count();
    session.claim(refused == 3, "three refusals: of a process, of a limit, of a group");
    // Its own process ids, beginning with 1.
    session.claim(text.starts_with("1\n"), "the container's own process ids");
}

#[test]
fn its_mounts_of_the_groups_are_read_only_and_harmless() {
    if !may_limit() {
        return;
    }
    let one = container("", SLEEP);
    let mounts = testkit::host::mounts(one.pid);
    let groups: Vec<_> =
        mounts.iter().filter(|mount| mount.point.starts_with("/sys/fs/cgroup")).collect();
    assert!(!groups.is_empty(), "{mounts:#?}");
    for mount in groups {
        for option in ["ro", "nosuid", "nodev", "noexec"] {
            assert!(mount.options.iter().any(|has| has == option), "{option}: {mount:?}");
        }
        assert!(mount.propagation.is_empty(), "{mount:?}");
        // Nothing above its own group can be reached through it.
        let own = mount.root.ends_with(&format!("/minidock/{}", one.name));
        assert!(own || mount.kind == "tmpfs", "{mount:?}");
    }
}
