//! Without root: the command line enters the lab box first, a user namespace in which it is root, and then does the same.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use testkit::{Program, host, is_root, peer};

use crate::{has_users, minidock, value};

/// An account that has no name, no subordinate ids, and nothing to do with the tests.
const STRANGER: u32 = 43210;

fn rootless(words: &str) -> Program {
    minidock("--rootless").words(words)
}

#[test]
fn the_command_is_root_of_a_user_namespace_only() {
    let container = rootless("run lab sh -c").arg("echo ready; exec sleep 600").spawn();
    container.wait_for_line("ready");
    let pid = container.container_pid();
    for kind in host::NAMESPACES.into_iter().chain(["user"]) {
        assert_ne!(host::namespace(pid, kind), host::namespace("self", kind), "{kind}");
    }
    let numbers = host::ns_pids(pid);
    assert!(
        numbers.len() >= 3 && numbers.last() == Some(&1),
        "the box has process ids of its own: {numbers:?}"
    );
    assert_eq!(
        host::status(pid, "Uid").unwrap().split_whitespace().next(),
        Some(nix::unistd::geteuid().to_string().as_str())
    );
}

#[test]
fn what_a_container_is_does_not_change() {
    let report = rootless("run -h inside -w /etc lab /probe report").run().success().text();
    for (key, expected) in
        [("pid", "1"), ("uid", "0"), ("gid", "0"), ("hostname", "inside"), ("cwd", "/etc")]
    {
        assert_eq!(value(&report, key), expected, "{key}");
    }
    rootless("run lab /probe interfaces").run().success().stdout("lo up\n");
    rootless("run lab /probe exit 42").run().code(42);
    rootless("run --init lab /probe orphans 5").run().success().stdout("orphans=5\nzombies=0\n");
    rootless("run -i lab cat").stdin("through").run().success().stdout("through");
    rootless("run lab no-such-command").run().code(127);
    let table = rootless("run lab cat /proc/self/mountinfo").run().success().text();
    assert!(!table.contains("shared:") && !table.contains("master:"), "{table}");
}

#[test]
fn signals_and_terminals_pass_through_the_box() {
    let container = rootless("run lab /probe signals").spawn();
    container.wait_for_line("ready");
    container.signal(nix::sys::signal::Signal::SIGUSR1);
    container.wait_for_line("USR1");
    container.signal(nix::sys::signal::Signal::SIGTERM);
    container.wait().success();
    let mut shell = rootless("run -it -e PS1=ready> lab sh").on_terminal(24, 80);
    shell.read_until("ready>");
    shell.write("stty size; exit 6\r");
    shell.read_until("24 80");
    assert_eq!(shell.wait().code(), Some(6));
}

#[test]
fn a_command_joins_a_container_in_a_box() {
    let container = rootless("run -h boxed lab sh -c").arg("echo ready; exec sleep 600").spawn();
    container.wait_for_line("ready");
    let pid = container.container_pid();
    minidock("exec").arg(pid.to_string()).words("hostname").run().success().stdout("boxed\n");
    rootless("exec").arg(pid.to_string()).words("/probe exit 9").run().code(9);
}

#[test]
fn killing_the_command_line_ends_the_box() {
    let container = rootless("run --rm lab sleep 600").spawn();
    let pid = container.container_pid();
    container.kill_alone();
    testkit::wait_for("the end of the container", || (!host::is_alive(pid)).then_some(()));
}

#[test]
fn other_users_exist_where_ids_are_mapped() {
    if has_users() {
        rootless("run -u learner lab").sh("id -u; id -g").run().success().stdout("1000\n1000\n");
    }
}

#[test]
fn an_account_without_subordinate_ids_gets_a_single_one() {
    if is_root() && peer("setpriv", "apt install util-linux").is_none() {
        return;
    }
    let state = testkit::fresh_root();
    // The built binary may lie where only the developer can look.
    let binary = state.path().join("minidock-01");
    fs::copy(testkit::binary(1), &binary).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    if is_root() {
        chown(state.path(), Some(STRANGER), Some(STRANGER)).unwrap();
    }
    let run = |words: &str| {
        let session = testkit::program(&binary).words(words).state(state.path());
        // An ordinary user's own range is out of reach without newuidmap, which this PATH does not have.
        if is_root() { session.as_user(STRANGER) } else { session.env("PATH", "/nowhere") }
    };
    let id = if is_root() { STRANGER } else { nix::unistd::geteuid().as_raw() };
    let map = run("run lab cat /proc/self/uid_map").run().success().trimmed();
    assert_eq!(map.split_whitespace().collect::<Vec<_>>(), ["0", &id.to_string(), "1"]);
    run("run lab /probe report").run().success().stdout_contains("uid=0\n");
    let refused = run("run -u learner lab true").run();
    refused.code(125).stderr_contains("\n  try: ").stderr_contains("newuidmap");
}

#[test]
fn an_ordinary_users_files_are_in_their_home() {
    if is_root() && peer("setpriv", "apt install util-linux").is_none() {
        return;
    }
    let home = testkit::fresh_root();
    let binary = home.path().join("minidock-01");
    fs::copy(testkit::binary(1), &binary).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    if is_root() {
        chown(home.path(), Some(STRANGER), Some(STRANGER)).unwrap();
    }
    let run = |words: &str| {
        let session = testkit::program(&binary).words(words).env("HOME", home.path());
        let session = session.env_remove("MINIDOCK_ROOT").env_remove("XDG_DATA_HOME");
        if is_root() { session.as_user(STRANGER) } else { session }
    };
    let lab = home.path().join(".local/share/minidock/lab");
    run("run lab /probe exit 42").run().code(42);
    assert!(lab.is_dir());
    run("clean").run().success().stdout_contains(&lab.display().to_string());
    assert!(!lab.exists());
}
