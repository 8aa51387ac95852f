//! `run` without -d: a container with a shim, to which the command line is only attached.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{fresh_root, host, random_token, scratch, shared_root, wait_for};

use crate::background::Background;
use crate::minidock;

/// One that is to run in the foreground; its name is random, and it is removed with the value.
fn named() -> Background {
    let name = format!("c{}", random_token());
    Background::known(shared_root(), name.clone(), name)
}

fn status(name: &str) -> String {
    let all = minidock(shared_root(), "ps -a --format {{.Names}}={{.Status}}").run();
    let all = all.success().text();
    let line = all.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
    line.unwrap_or_default().to_owned()
}

#[test]
fn what_it_says_goes_to_the_caller_and_into_the_log() {
    let (it, token) = (named(), random_token());
    let script = format!("echo out{token}; echo err{token} >&2; exit 3");
    let run = minidock(shared_root(), "run --name").arg(&it.name).arg("lab").sh(&script).run();
    run.code(3).stdout(&format!("out{token}\n")).stderr(&format!("err{token}\n"));
    let logs = minidock(shared_root(), "logs").arg(&it.name).run();
    logs.success().stdout(&format!("out{token}\n")).stderr(&format!("err{token}\n"));
    assert!(status(&it.name).starts_with("Exited (3) "), "{}", status(&it.name));
}

#[test]
fn it_goes_on_when_its_command_line_is_killed() {
    let (it, token) = (named(), random_token());
    let script = "echo ready; until test -e /go; do sleep 0.05; done; echo $0; exit 6";
    let run = minidock(shared_root(), "run --name").arg(&it.name).arg("lab").sh(script);
    let run = run.arg(&token).spawn();
    run.wait_for_line("ready");
    let pid = run.container_pid();
    run.kill_alone();
    assert!(host::is_alive(pid));
    let attached = minidock(shared_root(), "attach").arg(&it.name).spawn();
    minidock(shared_root(), "exec").arg(&it.name).words("touch /go").run().success();
    attached.wait().code(6);
    let logs = minidock(shared_root(), "logs").arg(&it.name).run();
    logs.success().stdout(&format!("ready\n{token}\n"));
}

#[test]
fn with_keys_a_terminal_leaves_it_and_comes_back() {
    let it = named();
    let run = minidock(shared_root(), "run -it --detach-keys ctrl-x,q -e PS1=ready> --name");
    let mut terminal = run.arg(&it.name).words("lab sh").on_terminal(24, 80);
    terminal.read_until("ready>");
    terminal.write("stty size\r");
    terminal.read_until("24 80");
    terminal.write("\x18q");
    terminal.read_until("read escape sequence");
    assert!(terminal.wait().success());
    assert!(status(&it.name).starts_with("Up "), "{}", status(&it.name));
    let mut terminal = minidock(shared_root(), "attach").arg(&it.name).on_terminal(30, 90);
    terminal.write("stty size; exit 4\r");
    terminal.read_until("30 90");
    assert_eq!(terminal.wait().code(), Some(4));
}

#[test]
fn signals_go_through_to_it_unless_they_are_not_to() {
    let script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let run = |options: &str, it: &Background| {
        let run = minidock(shared_root(), "run --name").arg(&it.name).words(options).arg("lab");
        let run = run.sh(script).spawn();
        run.wait_for_line("ready");
        run
    };
    let it = named();
    let running = run("", &it);
    running.signal(Signal::SIGTERM);
    running.wait().code(9).stdout("ready\ngot\n");

    // Then it needs a shim, also if it is to be removed at its end.
    for options in ["--sig-proxy=false", "--sig-proxy=false --rm"] {
        let it = named();
        let running = run(options, &it);
        running.signal(Signal::SIGTERM);
        running.wait().code(143).stdout("ready\n");
        assert!(status(&it.name).starts_with("Up "), "{options}: {}", status(&it.name));
    }
}

/// PID 1 may have no handler: then asking is of no use, and whoever asks again and again wants to be let go.
#[test]
fn who_asks_three_times_is_let_go_and_it_stays() {
    let it = named();
    let run = minidock(shared_root(), "run --name").arg(&it.name).arg("lab");
    let running = run.sh("echo ready; exec sleep 600").spawn();
    running.wait_for_line("ready");
    let pid = running.container_pid();
    for _ in 0..3 {
        running.signal(Signal::SIGINT);
        // Two that wait are one: until it is read, none of its kind waits.
        let taken =
            || host::status(running.pid(), "ShdPnd")?.bytes().all(|b| b == b'0').then_some(());
        wait_for("it to be taken", taken);
    }
    running.wait().code(1).stderr_contains("got 3 SIGTERM/SIGINTs, forcefully exiting");
    assert!(host::is_alive(pid));
}

/// In a layer of its own; the one below is not touched.
#[test]
fn a_working_directory_that_no_layer_has_is_made() {
    let (it, name) = (named(), random_token());
    let run = |options: &str| {
        let run = minidock(shared_root(), "run").words(options).arg("-w");
        run.arg(format!("/srv/{name}/in")).arg("lab")
    };
    let made = run(&format!("--name {}", it.name)).sh("pwd; stat -c %a:%u .").run();
    made.success().stdout(&format!("/srv/{name}/in\n755:0\n"));
    let diff = minidock(shared_root(), "diff").arg(&it.name).run();
    diff.success().stdout_contains(&format!("A /srv/{name}/in\n"));
    let copied = run("--rm --storage-driver copy -u 1000").arg("pwd").run();
    copied.success().stdout(&format!("/srv/{name}/in\n"));
    run("--rm --read-only").arg("pwd").run().success();
    let below_a_file = minidock(shared_root(), "run --rm -w /etc/passwd/x lab pwd").run();
    below_a_file.code(125).stderr_contains("/etc/passwd/x");
    minidock(shared_root(), "run --rm lab ls /srv").run().stderr_contains("No such file");
}

#[test]
fn a_shim_that_is_asked_to_end_asks_its_container() {
    let it = named();
    let script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let run = minidock(shared_root(), "run --name").arg(&it.name).arg("lab").sh(script).spawn();
    run.wait_for_line("ready");
    let shim: i32 = host::status(run.container_pid(), "PPid").unwrap().parse().unwrap();
    assert_ne!(shim, run.pid());
    kill(Pid::from_raw(shim), Signal::SIGTERM).unwrap();
    run.wait().code(9).stdout("ready\ngot\n");
}

#[test]
fn what_cannot_be_started_stays_as_it_was_created() {
    let (it, directory) = (named(), scratch());
    let file = directory.path().join("id");
    let run = minidock(shared_root(), "run --name").arg(&it.name).arg("--cidfile").arg(&file);
    let run = run.words("lab /no-such-command").run();
    run.code(127).stderr_contains("/no-such-command").stdout("");
    assert_eq!(status(&it.name), "Created");
    let id = fs::read_to_string(&file).unwrap();
    let inspected = minidock(shared_root(), "inspect --format {{.Id}}").arg(&it.name).run();
    assert_eq!(inspected.success().trimmed(), id);
}

/// A record is JSON, and JSON is UTF-8.
#[test]
fn what_a_record_cannot_say_runs_only_where_none_is_kept() {
    let state = fresh_root();
    let word = OsStr::from_bytes(b"\xff");
    let run = |options: &str| {
        minidock(state.path(), "run").words(options).words("lab printf %s").arg(word).run()
    };
    run("").code(125).stderr_contains("not UTF-8").stderr_contains("try: run it with --rm");
    assert_eq!(run("--rm").success().bytes(), b"\xff");
    assert_eq!(fs::read_dir(state.path().join("containers")).unwrap().count(), 0);
}
