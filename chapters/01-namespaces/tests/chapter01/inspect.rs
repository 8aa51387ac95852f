//! `inspect`, `ns` and `completion`: a container as the kernel sees it, and who is in which namespace.

use serde_json::Value;
use testkit::{host, peer, program, wait_for};

use crate::{minidock, sleeper};

/// The namespaces that every kernel of today has.
const KINDS: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// The numbers that a process's namespaces have for the kernel.
fn inode(pid: impl std::fmt::Display, kind: &str) -> Value {
    host::namespace(pid, kind).into()
}

#[test]
fn inspect_sets_each_namespace_beside_the_hosts() {
    let container = sleeper("--ipc host");
    let pid = container.container_pid();
    let shown =
        json(&minidock("inspect --format json").arg(pid.to_string()).run().success().text());
    let namespaces = shown["Namespaces"].as_array().unwrap();
    for kind in KINDS {
        let namespace = namespaces.iter().find(|namespace| namespace["Type"] == kind).unwrap();
        assert_eq!(namespace["Inode"], inode(pid, kind), "{kind}");
        assert_eq!(namespace["Host"], inode("self", kind), "{kind}");
        assert_eq!(namespace["Shared"], inode(pid, kind) == inode("self", kind), "{kind}");
    }
    assert_eq!(shown["PID"], pid);
    assert_eq!(shown["NSpid"].as_array().unwrap().last(), Some(&Value::from(1)));
    assert_eq!(shown["Container"], host::container_id(pid).unwrap());
    assert_eq!(shown["Command"], "sleep 600");
    let points = |mounts: &[Value]| {
        mounts.iter().map(|mount| mount["Point"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let own: Vec<_> = host::mounts(pid).into_iter().map(|mount| mount.point).collect();
    assert_eq!(points(shown["Mounts"].as_array().unwrap()), own);
}

#[test]
fn inspect_is_a_table_or_what_a_template_asks_for() {
    let container = sleeper("");
    let pid = container.container_pid();
    let session = minidock("inspect").arg(pid.to_string()).run();
    for part in [
        "NAMESPACE",
        "MOUNT",
        &host::namespace(pid, "uts").to_string(),
        &host::namespace("self", "uts").to_string(),
    ] {
        session.success().stdout_contains(part);
    }
    let template = minidock("inspect --format {{.PID}}:{{.Command}}").arg(pid.to_string()).run();
    template.success().stdout(&format!("{pid}:sleep 600\n"));
    minidock("inspect --format {{.Nothing}}")
        .arg(pid.to_string())
        .run()
        .code(1)
        .stderr_contains("Nothing")
        .stderr_contains("Command");
    minidock("inspect 999999999")
        .run()
        .code(1)
        .stderr_contains("999999999")
        .stderr_contains("  try: ");
}

#[test]
fn ns_tells_who_is_where() {
    let container = sleeper("");
    let pid = container.container_pid();
    let listed = minidock("ns --format json").run().success().text();
    let spaces: Vec<Value> = listed.lines().map(json).collect();
    let short = host::container_id(pid).unwrap()[..12].to_owned();
    for kind in host::NAMESPACES {
        let space = spaces.iter().find(|space| space["Inode"] == inode(pid, kind)).unwrap();
        assert_eq!((&space["Type"], &space["PID"]), (&Value::from(kind), &Value::from(pid)));
        assert_eq!(
            (&space["Processes"], &space["Container"]),
            (&Value::from(1), &Value::from(short.as_str()))
        );
        assert_eq!(space["Command"], "sleep 600");
    }
    let own = spaces.iter().find(|space| space["Inode"] == inode("self", "uts")).unwrap();
    assert!(own["Processes"].as_u64().unwrap() > 1 && own["Container"] == "", "{own}");
    minidock("ns").run().success().stdout_contains("CONTAINER").stdout_contains(&short);
}

#[test]
fn ns_and_lsns_agree() {
    let Some(lsns) = peer("lsns", "apt install util-linux") else { return };
    let container = sleeper("");
    let pid = container.container_pid();
    // It gives up, silently, when a process ends while it looks.
    let theirs = wait_for("a list of lsns", || {
        let listed = program(&lsns).words("--noheadings --raw --output TYPE,NS,PID,NPROCS").run();
        (listed.status().success()).then(|| listed.text())
    });
    let ours = minidock("ns --format")
        .arg("{{.Type}} {{.Inode}} {{.PID}} {{.Processes}}")
        .run()
        .success()
        .text();
    for kind in host::NAMESPACES {
        let line = format!("{kind} {} {pid} 1", host::namespace(pid, kind));
        assert!(theirs.lines().any(|their| their == line), "{line} is not among\n{theirs}");
        assert!(ours.lines().any(|our| our == line), "{line} is not among\n{ours}");
    }
}

#[test]
fn a_completion_knows_the_commands() {
    let version = minidock("--version").run().success().text();
    let name = version.split(' ').next().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = minidock("completion").arg(shell).run();
        for word in [name, "inspect", "hostname", "rootless"] {
            script.success().stdout_contains(word);
        }
    }
    minidock("completion no-shell").run().code(125).stderr_contains("no-shell");
}
