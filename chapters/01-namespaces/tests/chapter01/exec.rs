//! `exec PID CMD…`: a second command joins all namespaces of a container that runs.

use testkit::host;

use crate::{has_users, minidock, sleeper, sleeping_below, value};

fn exec(options: &str, pid: i32) -> testkit::Program {
    minidock("exec").words(options).arg(pid.to_string())
}

#[test]
fn it_joins_every_namespace() {
    let container = sleeper("-h inside");
    let pid = container.container_pid();
    let second = exec("", pid)
        .words("sh -c")
        .arg("echo ready; hostname; pwd; echo $$; exec sleep 600")
        .spawn();
    second.wait_for_line("ready");
    second.wait_for_line("inside");
    let joined = sleeping_below(second.pid());
    for kind in host::NAMESPACES.into_iter().chain(["user", "cgroup"]) {
        assert_eq!(host::namespace(joined, kind), host::namespace(pid, kind), "{kind}");
    }
    assert_eq!(host::container_id(joined), host::container_id(pid));
    assert_eq!(host::ns_pids(joined).len(), host::ns_pids(pid).len());
    assert_ne!(host::ns_pids(joined).last(), Some(&1));
}

#[test]
fn it_sees_what_the_container_sees() {
    let container = sleeper("");
    let pid = container.container_pid();
    let list =
        exec("", pid).sh("cat /proc/1/cmdline | tr '\\0' ' '; ls -d /proc/[0-9]* | wc -l").run();
    list.success().stdout_contains("sleep 600 ");
    exec("", pid).words("/probe interfaces").run().success().stdout("lo up\n");
    exec("", pid)
        .words("/probe kill")
        .arg(std::process::id().to_string())
        .run()
        .code(1)
        .stderr_contains("ESRCH");
}

#[test]
fn it_has_an_environment_directory_and_user_of_its_own() {
    let container = sleeper("-e OF_CONTAINER=yes");
    let pid = container.container_pid();
    let env =
        exec("-e ADDED=too -w /etc", pid).sh("env; pwd").env("LEAK", "no").run().success().text();
    assert_eq!((value(&env, "ADDED"), env.lines().last()), ("too".into(), Some("/etc")));
    assert_eq!(value(&env, "OF_CONTAINER"), "yes");
    assert!(!env.contains("LEAK"), "{env}");
    assert!(
        value(&env, "PATH").contains("/usr/local/sbin") && value(&env, "HOME") == "/root",
        "{env}"
    );
    if has_users() {
        exec("-u learner", pid)
            .sh("id -u; id -g; echo $HOME")
            .run()
            .success()
            .stdout("1000\n1000\n/home/learner\n");
        exec("-u 33:44", pid).sh("id -u; id -g").run().success().stdout("33\n44\n");
    }
    exec("-u nobody-knows", pid).words("true").run().code(125).stderr_contains("nobody-knows");
}

#[test]
fn its_exit_code_and_streams_are_its_own() {
    let container = sleeper("");
    let pid = container.container_pid();
    exec("", pid).words("/probe exit 42").run().code(42);
    exec("", pid).limit(libc::RLIMIT_CORE, 0).words("/probe raise 15").run().code(143);
    exec("", pid).words("no-such-command").run().code(127).stderr_contains("no-such-command");
    exec("", pid).words("/etc/passwd").run().code(126);
    exec("-w /nowhere", pid).words("true").run().code(125).stderr_contains("/nowhere");
    exec("-i", pid).words("cat").stdin("through\n").run().success().stdout("through\n");
    exec("", pid).words("cat").stdin("not through\n").run().success().stdout("");
    let descriptors = exec("", pid).words("/probe fds").leak(7).leak(9).run().success().text();
    assert_eq!(descriptors.lines().count(), 3, "{descriptors}");
    assert!(host::is_alive(pid), "the container outlives what joins it");
}

#[test]
fn it_can_have_a_terminal_of_the_container() {
    let container = sleeper("");
    let pid = container.container_pid();
    let mut shell = exec("-it -e PS1=ready>", pid).arg("sh").on_terminal(24, 80);
    shell.read_until("ready>");
    shell.write("tty; stty size\r");
    shell.read_until("/dev/pts/0");
    shell.read_until("24 80");
    shell.write("sleep 700\r");
    let asleep = || {
        host::in_container(&host::container_id(pid)?)
            .into_iter()
            .find(|&pid| host::cmdline(pid).is_some_and(|words| words == ["sleep", "700"]))
    };
    testkit::wait_for("the sleep", asleep);
    shell.write("\x03");
    shell.read_until("ready>");
    shell.write("exit 7\r");
    assert_eq!(shell.wait().code(), Some(7));
}

#[test]
fn it_ends_with_the_container_or_with_its_own_parent() {
    let container = sleeper("--rm");
    let second = exec("", container.container_pid()).words("sleep 600").spawn();
    let joined = second.container_pid();
    container.kill_alone();
    second.wait().code(137);
    assert!(!host::is_alive(joined));

    let container = sleeper("");
    let second = exec("", container.container_pid()).words("sleep 600").spawn();
    let joined = second.container_pid();
    second.kill_alone();
    testkit::wait_for("the end of the command", || (!host::is_alive(joined)).then_some(()));
}

#[test]
fn a_working_directory_among_its_descriptors_does_not_lead_out() {
    let container = sleeper("");
    let pid = container.container_pid();
    for number in 0..20 {
        let options = format!("-w /proc/self/fd/{number}");
        exec(&options, pid).words("ls").leak(7).leak(9).run().code(125).stdout("");
    }
}

#[test]
fn a_process_that_is_gone_or_in_no_container_is_named() {
    let gone = testkit::program("true").spawn();
    let pid = gone.pid();
    gone.wait().success();
    exec("", pid).words("true").run().code(125).stderr_contains(&pid.to_string());
    for word in ["0", "-1"] {
        minidock("exec").arg(word).arg("true").run().code(125).stderr_contains(word);
    }
    // Where containers have names, these could be some; that there is none such is Docker's 1.
    for word in ["99999999999", "name"] {
        let name = minidock("exec").arg(word).arg("true").run();
        name.claim(matches!(name.status().code(), Some(1 | 125)), "1 or 125").stderr_contains(word);
    }
}

#[test]
fn it_is_who_and_where_the_process_is_that_it_joins() {
    if !has_users() {
        return;
    }
    let container = sleeper("-u 1000:7 -w /tmp");
    let report = exec("", container.container_pid()).words("/probe report").run().success().text();
    for (key, expected) in [("uid", "1000"), ("gid", "7")] {
        assert_eq!(value(&report, key), expected, "{key}");
    }
    // Where another user's process is, an ordinary user may not see.
    if testkit::is_root() {
        assert_eq!(value(&report, "cwd"), "/tmp");
    }
    exec("-u 0 -w /", container.container_pid())
        .words("/probe report")
        .run()
        .success()
        .stdout_contains("uid=0\n")
        .stdout_contains("cwd=/\n");
}
