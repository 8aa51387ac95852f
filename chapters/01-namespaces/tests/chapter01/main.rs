//! Chapter 01 from outside: each test is a shell session with the built binary, and what it claims is checked
//! against what the kernel says. `MINIDOCK_BIN_01=/path/to/yours` puts another binary to the same test.

mod attack;
mod bad_input;
mod clean_up;
mod environment;
mod exec;
mod explain;
mod identity;
mod inspect;
mod isolation;
mod process;
mod root;
mod rootless;
mod terminal;

use std::path::Path;

use testkit::{Program, Running, host, outer, wait_for};

/// `minidock-01 WORDS…`
fn minidock(words: &str) -> Program {
    testkit::chapter(1).words(words)
}

/// `minidock-01 run OPTIONS ROOT`, to be followed by the command.
fn run_in(options: &str, root: &Path) -> Program {
    minidock("run").words(options).arg(root)
}

/// A script on a disposable host, which finds the binary as `$MINIDOCK` and a static program as `$PROBE`.
fn on_outer_host(script: &str, probe: &Path) -> Program {
    // The lab is made here, once, and not by whoever is root on that host.
    drop(minidock(""));
    outer(script)
        .env("MINIDOCK", testkit::binary(1))
        .env("MINIDOCK_ROOT", testkit::shared_root())
        .env("PROBE", probe)
}

/// A container that runs until the test ends.
fn sleeper(options: &str) -> Running {
    let sleeper =
        minidock("run").words(options).words("lab sh -c").arg("echo ready; exec sleep 600").spawn();
    sleeper.wait_for_line("ready");
    // The shell has said so, and is about to become the other program.
    sleeping_below(sleeper.pid());
    sleeper
}

/// Waits for a `sleep 600` among the descendants of a process.
fn sleeping_below(pid: i32) -> i32 {
    let asleep = |pid: &i32| host::cmdline(*pid).is_some_and(|words| words == ["sleep", "600"]);
    wait_for("sleep 600", || host::descendants(pid).into_iter().find(asleep))
}

/// Whether containers can have users besides root here; a named skip if not. Root can always give them; an ordinary
/// user needs subordinate ids and the setuid programs that map them (user_namespaces(7), subuid(5)).
fn has_users() -> bool {
    let map = minidock("run lab cat /proc/self/uid_map").run().success().text();
    let has_users = map.lines().count() > 1 || map.split_whitespace().last() != Some("1");
    if !has_users {
        testkit::skip(
            "only one user id is mapped",
            "apt install uidmap, and usermod --add-subuids 100000-165535 --add-subgids 100000-165535 YOU",
        );
    }
    has_users
}

/// Lines `key=value`, as `/probe report` and env(1) print them.
fn value(text: &str, key: &str) -> String {
    let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {key}= in\n{text}")).to_owned()
}
