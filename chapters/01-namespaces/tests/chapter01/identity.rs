//! `-u`: who the command is, by the root's own passwd(5) and group(5), which whoever made the root may have written.

use std::time::Duration;

use testkit::{Output, Program, RootDir, random_token};

use crate::{has_users, minidock, value};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nshort:x\n\n# comment\nalice:x:1234:5678:Alice:/home/alice:/bin/sh\n\
                      nobody:x:65534:65534::/:/bin/false\n";
const GROUP: &str =
    "root:x:0:\nalice:x:5678:\nwheel:x:77:bob,alice\nother:x:88:bob\naudio:x:99:alice\n";

fn root() -> RootDir {
    RootDir::new().file("/etc/passwd", PASSWD).file("/etc/group", GROUP)
}

fn as_user(user: &str, root: &RootDir) -> Program {
    minidock("run -u").arg(user).arg(root.path())
}

/// `uid:gid groups`, as the command sees them.
fn identity(report: &Output) -> String {
    let text = report.success().text();
    assert_eq!(value(&text, "uid"), value(&text, "euid"));
    format!("{}:{} {}", value(&text, "uid"), value(&text, "gid"), value(&text, "groups"))
}

#[test]
fn the_command_is_root_unless_told_otherwise() {
    let report = minidock("run").arg(root().path()).words("/probe report").run();
    assert!(identity(&report).starts_with("0:0 "), "{report}");
}

#[test]
fn users_and_groups_are_names_or_numbers() {
    if !has_users() {
        return;
    }
    let root = root();
    for (user, expected) in [
        ("alice", "1234:5678 "),
        ("1234", "1234:5678 "),
        ("4321", "4321:0 "),
        ("4321:8765", "4321:8765 "),
        ("alice:wheel", "1234:77 "),
        ("alice:55", "1234:55 "),
        ("4321:audio", "4321:99 "),
        ("root", "0:0 "),
    ] {
        let report = as_user(user, &root).words("/probe report").run();
        assert!(identity(&report).starts_with(expected), "{user}: {report}");
    }
}

#[test]
fn groups_come_from_the_root_and_none_from_the_host() {
    if !has_users() {
        return;
    }
    let report = as_user("alice", &root()).words("/probe report").run().success().text();
    let mut groups: Vec<u32> =
        value(&report, "groups").split(',').map(|group| group.parse().unwrap()).collect();
    groups.retain(|&group| group != 5678);
    groups.sort_unstable();
    assert_eq!(groups, [77, 99]);
    let report = as_user("4321:8765", &root()).words("/probe report").run().success().text();
    assert!(["", "8765"].contains(&value(&report, "groups").as_str()), "{report}");
}

#[test]
fn home_is_the_users() {
    minidock("run lab").sh("echo $HOME").run().success().stdout("/root\n");
    if !has_users() {
        return;
    }
    minidock("run -u learner lab")
        .sh("echo $HOME $(id -u):$(id -g)")
        .run()
        .success()
        .stdout("/home/learner 1000:1000\n");
    minidock("run -u 4321 lab").sh("echo $HOME").run().success().stdout("/\n");
    minidock("run -u learner -e HOME=/tmp lab").sh("echo $HOME").run().success().stdout("/tmp\n");
}

#[test]
fn another_user_is_bound_by_permissions() {
    if !has_users() {
        return;
    }
    minidock("run -u learner lab ls /root").run().code(2).stderr_contains("Permission denied");
    minidock("run -u learner -w /root lab pwd")
        .run()
        .code(125)
        .stderr_contains("/root")
        .stderr_contains("  try: ");
    minidock("run -u learner lab touch /etc/passwd").run().code(1);
    minidock("run -u learner --init lab cat /proc/1/environ").run().code(1).stdout("");
}

#[test]
fn an_unknown_user_or_group_is_named() {
    let (root, token) = (root(), format!("user-{}", random_token()));
    as_user(&token, &root)
        .words("/probe true")
        .run()
        .code(125)
        .stderr_contains(&token)
        .stderr_contains("  try: ");
    as_user(&format!("root:{token}"), &root)
        .words("/probe true")
        .run()
        .code(125)
        .stderr_contains(&token);
    // A name is known by a whole first field, not by a part of one, nor by a line that is no entry.
    for user in ["ali", "short", "# comment", "0x10", "-1", "4294967295", "4294967296"] {
        as_user(user, &root).words("/probe true").run().code(125);
    }
    minidock("run -u alice")
        .arg(RootDir::new().path())
        .words("/probe true")
        .run()
        .code(125)
        .stderr_contains("alice");
}

#[test]
fn a_passwd_that_links_to_the_outside_is_resolved_inside() {
    let (outside, token) = (testkit::scratch(), format!("user-{}", random_token()));
    let passwd = outside.path().join("passwd");
    std::fs::write(&passwd, format!("{token}:x:4242:4242::/:/bin/sh\n")).unwrap();
    let up = format!("{}{}", "../".repeat(30), passwd.display());
    for target in [passwd.display().to_string(), up] {
        let root = RootDir::new().symlink("/etc/passwd", &target);
        as_user(&token, &root).words("/probe true").run().code(125).stderr_contains(&token);
        // The same name inside the root is followed: that is what an absolute link means there.
        let root = root.file(passwd.to_str().unwrap(), format!("{token}:x:0:0::/inside:/bin/sh\n"));
        as_user(&token, &root).words("/probe report").run().success().stdout_contains("uid=0\n");
    }
    let root = RootDir::new().symlink("/etc", outside.path());
    as_user(&token, &root).words("/probe true").run().code(125);
}

#[test]
fn a_passwd_that_is_no_file_neither_hangs_nor_helps() {
    for root in [RootDir::new().fifo("/etc/passwd"), RootDir::new().directory("/etc/passwd")] {
        let session =
            as_user("alice", &root).words("/probe true").patience(Duration::from_secs(10)).run();
        session
            .code(125)
            .stderr_contains("/etc/passwd")
            .stderr_contains("not a regular file")
            .stderr_contains("  try: ");
    }
    // A device would block, or do something, when it is opened; a link to itself has no end.
    let root = RootDir::new().symlink("/etc/passwd", "/dev/tty");
    as_user("alice", &root).words("/probe true").run().code(125).stderr_contains("alice");
    let root = RootDir::new().symlink("/etc/passwd", "/etc/passwd");
    as_user("alice", &root).words("/probe true").run().code(125).stderr_contains("/etc/passwd");
}

#[test]
fn a_huge_passwd_is_not_read_to_its_end() {
    let root = RootDir::new().file("/etc/passwd", "alice:x:0:0::/:/bin/sh\n");
    // A file with a hole: a terabyte that takes no room on the disk, and would fill any memory.
    std::fs::File::options()
        .write(true)
        .open(root.at("/etc/passwd"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let session = as_user("bob", &root).words("/probe true").limit(libc::RLIMIT_AS, 1 << 30).run();
    session
        .code(125)
        .stderr_contains("/etc/passwd")
        .stderr_contains("larger than")
        .stderr_contains("  try: ");
}

#[test]
fn the_id_that_means_no_change_makes_nobody_root() {
    let evil = "evil:x:4294967295:4294967295::/:/bin/sh\n";
    let root = RootDir::new().file("/etc/passwd", evil).file("/etc/group", "evil:x:4294967295:\n");
    for user in ["evil", "1000:evil", "4294967295", "1000:4294967295"] {
        as_user(user, &root)
            .words("/probe report")
            .run()
            .code(125)
            .stderr_contains("unable to find");
    }
}
