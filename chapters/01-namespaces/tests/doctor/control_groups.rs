//! Hosts with other control groups, by mounts of their own over the machine's.

use crate::host::Host;
use std::fs;
use testkit::host::Mount;

/// The machine's own mounts of control groups: their type, and where.
fn mounted() -> Vec<Mount> {
    let mut mounts = testkit::host::mounts(std::process::id() as i32);
    mounts.retain(|mount| mount.kind.starts_with("cgroup"));
    mounts
}

fn mode(kinds: &[Mount]) -> &'static str {
    let has = |kind: &str| kinds.iter().any(|mount| mount.kind == kind);
    match (has("cgroup"), has("cgroup2")) {
        (true, true) => "hybrid",
        (true, false) => "v1",
        (false, true) => "v2",
        (false, false) => "none",
    }
}

#[test]
fn the_mode_is_what_is_mounted() {
    let report = Host::new().doctor("");
    assert_eq!(report.value["host"]["cgroup"], mode(&mounted()));
}

#[test]
fn a_hierarchy_that_is_covered_is_not_there() {
    let mut host = Host::new();
    let (second, first): (Vec<_>, Vec<_>) =
        mounted().into_iter().partition(|mount| mount.kind == "cgroup2");
    for mount in &second {
        host.change(&format!("mount -t tmpfs none {}", mount.point));
    }
    // On a machine with version 2 alone, nothing is left.
    assert_eq!(host.doctor("").value["host"]["cgroup"], mode(&first));
}

#[test]
fn without_control_groups_the_second_chapter_does_not_work() {
    let mut host = Host::with_control_groups();
    host.change("mount -t tmpfs none /sys/fs/cgroup");
    let none = host.doctor("");
    assert_eq!(none.value["host"]["cgroup"], "none");
    none.needs("cgroup", "missing", "mount -t cgroup2 cgroup2 /sys/fs/cgroup")
        .is("cgroup-controllers", "missing")
        .is("cgroup-delegation", "missing")
        .chapter(1, "yes")
        .chapter(2, "no");
    let mended = host.mend(&none, "cgroup", "");
    assert_eq!(mended.value["host"]["cgroup"], "v2");
}

#[test]
fn the_controllers_are_those_that_the_file_lists() {
    let mut host = Host::with_control_groups();
    host.change("mount -t cgroup2 none /sys/fs/cgroup");
    let report = host.doctor("");
    assert_eq!(report.value["host"]["cgroup"], "v2");
    let (_, listed) = host.run("cat /sys/fs/cgroup/cgroup.controllers");
    let lacks: Vec<&str> = ["cpu", "memory", "pids"]
        .into_iter()
        .filter(|name| !listed.split(' ').any(|found| found == *name))
        .collect();
    match lacks.len() {
        0 => _ = report.is("cgroup-controllers", "ok"),
        // Elsewhere a hierarchy of version 1 holds them.
        3 => _ = report.needs("cgroup-controllers", "missing", "boot ").chapter(2, "no"),
        _ => _ = report.needs("cgroup-controllers", "limited", "boot "),
    }
}

#[test]
fn groups_that_cannot_be_written_are_not_delegated() {
    let mut host = Host::with_control_groups();
    host.change("mount -t cgroup2 none /sys/fs/cgroup");
    // Whether the machine lets this account write is the kernel's to say, and found out by a group.
    let (made, _) = host.run("mkdir /sys/fs/cgroup/$$ && rmdir /sys/fs/cgroup/$$");
    let report = host.doctor("");
    if made != 0 {
        report.is("cgroup-delegation", "missing").chapter(2, "no");
    }
    host.change("mount -o remount,bind,ro /sys/fs/cgroup");
    let locked = host.doctor("");
    if made == 0 {
        report.is("cgroup-delegation", "ok");
        locked.needs("cgroup-delegation", "missing", "mount -o remount,bind,rw /sys/fs/cgroup");
        host.mend(&locked, "cgroup-delegation", "");
    } else {
        locked.is("cgroup-delegation", "missing");
    }
    assert!(!fs::exists(format!("/sys/fs/cgroup/{}", std::process::id())).unwrap());
}

#[test]
fn a_cgroup_namespace_without_mounts_of_its_own_is_told_to_make_some() {
    let mut host = Host::with_control_groups();
    host.change("mount -t cgroup2 none /sys/fs/cgroup");
    let group = format!("/sys/fs/cgroup/minidock-test-{}", testkit::random_token());
    let (made, _) = host.run(&format!("mkdir {group} && echo 0 > {group}/cgroup.procs"));
    let script = format!("echo 0 > {group}/cgroup.procs; exec unshare --cgroup \\\"\\$@\\\"");
    if made == 0 {
        let report = host.doctor_under(&format!("sh -c \"{script}\" sh"), "");
        assert_eq!(report.value["host"]["cgroup"], "none");
        report.needs("cgroup", "missing", "umount /sys/fs/cgroup && mount -t cgroup2 cgroup2");
    }
    host.run(&format!("rmdir {group}"));
}
