//! A container's life: made, started, stopped, started again, removed; kept by a shim, whoever is killed.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{fresh_root, host, random_token, wait_for};

use crate::{first_process, first_process_now, minidock, mountinfo, random, shim_of};

/// A field of `inspect`, as a template shows it.
fn inspect(state: &Path, name: &str, field: &str) -> String {
    let format = format!("{{{{.{field}}}}}");
    minidock(state, "inspect --format").arg(format).arg(name).run().success().trimmed()
}

fn status(state: &Path, name: &str) -> String {
    let all =
        minidock(state, "ps -a --format").arg("{{.Names}} {{.Status}}").run().success().text();
    let found = all.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    found.unwrap_or_else(|| panic!("{name} is not among\n{all}")).to_owned()
}

fn run_in_background(state: &Path, words: &str, script: &str) -> String {
    let id = minidock(state, "run -d").words(words).arg("lab").sh(script).run().success().trimmed();
    assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id:?}");
    id
}

#[test]
fn one_in_the_background_outlives_its_command_line_and_is_stopped_and_started() {
    let state = fresh_root();
    let state = state.path();
    let before = mountinfo();
    let word = random_token();
    let script = format!("echo {word} >> /word; trap 'exit 7' TERM; while :; do sleep 0.05; done");
    let id = run_in_background(state, "--name web", &script);
    let pid = first_process(&id);
    assert!(host::is_alive(pid) && status(state, "web").starts_with("Up "));
    let shim = shim_of(pid);
    assert_eq!(host::status(shim, "Name").unwrap(), "minidock");
    // Without root, the session is that of the process around its lab box.
    assert_ne!(nix::unistd::getsid(Some(Pid::from_raw(shim))), nix::unistd::getsid(None));
    // Its command may not have come that far when it is said to run.
    let words = |count: usize| {
        wait_for("its word", || {
            let said = minidock(state, "exec web cat /word").run().text();
            (said == format!("{word}\n").repeat(count)).then_some(())
        })
    };
    words(1);
    assert_eq!(mountinfo(), before);

    minidock(state, "stop web").run().success().stdout("web\n");
    assert!(status(state, "web").starts_with("Exited (7) ") && !host::is_alive(pid));
    minidock(state, "stop web").run().success().stdout("web\n");
    minidock(state, "exec web true").run().code(1).stderr_contains("is not running");
    minidock(state, "kill web").run().code(1).stderr_contains("is not running");

    // It has its layer again, and another life.
    minidock(state, "start").arg(&id[..9]).run().success().stdout(&format!("{}\n", &id[..9]));
    words(2);
    minidock(state, "start web").run().success().stdout("web\n");
    minidock(state, "rm web").run().code(1).stderr_contains("container is running");
    minidock(state, "restart -t 5 web").run().success().stdout("web\n");
    words(3);
    minidock(state, "rm -f web").run().success();
    assert!(!state.join("run").join(&id).exists() && !state.join("containers").join(&id).exists());
}

#[test]
fn it_is_created_started_and_waited_for() {
    let state = fresh_root();
    let state = state.path();
    let code = random(1, 100) as i32;
    let id = minidock(state, "create --name made lab").sh(&format!("sleep 0.2; exit {code}"));
    let id = id.run().success().trimmed();
    assert_eq!(status(state, "made"), "Created");
    assert_eq!(inspect(state, "made", "Id"), id);
    minidock(state, "start made").run().success();
    minidock(state, "wait made").run().success().stdout(&format!("{code}\n"));
    assert!(status(state, "made").starts_with(&format!("Exited ({code}) ")));
    minidock(state, "wait made").run().success().stdout(&format!("{code}\n"));
    minidock(state, "start -a made").run().code(code);
    minidock(state, "rm made").run().success();

    // Of one that is removed at its end, too.
    let id = run_in_background(state, "--rm", &format!("sleep 0.3; exit {code}"));
    minidock(state, "wait").arg(&id).run().success().stdout(&format!("{code}\n"));
    minidock(state, "wait").arg(&id).run().code(1).stderr_contains("No such container");
}

#[test]
fn what_it_writes_is_kept_line_by_line() {
    let state = fresh_root();
    let state = state.path();
    let (one, two) = (random_token(), random_token());
    let script = format!("echo {one}; echo {two} >&2; printf 'no end'");
    run_in_background(state, "--name it", &script);
    minidock(state, "wait it").run().success();
    let logs = minidock(state, "logs it").run();
    logs.success().stdout(&format!("{one}\nno end")).stderr(&format!("{two}\n"));
    minidock(state, "logs -n 1 it").run().success().stdout("no end");
    minidock(state, "logs --tail 0 it").run().success().stdout("");
    let stamped = minidock(state, "logs -t -n 1 it").run().success().text();
    assert!(stamped.contains('T') && stamped.ends_with("Z no end"), "{stamped}");
    minidock(state, "logs --since 1h it").run().success().stdout_contains(&one);
    minidock(state, "logs --until 1h it").run().success().stdout("");
    minidock(state, "logs --tail x it").run().code(1).stderr_contains("tail");
    minidock(state, "logs none").run().code(1).stderr_contains("No such container: none");
}

#[test]
fn a_log_is_followed_to_its_end_over_files_and_stays_within_bounds() {
    let state = fresh_root();
    let state = state.path();
    let count = 3000 + random(0, 500);
    let script = format!("i=0; while [ $i -lt {count} ]; do echo line $i; i=$((i+1)); done");
    let options = "--name it --log-opt max-size=64k --log-opt max-file=3";
    let id =
        minidock(state, "create").words(options).arg("lab").sh(&script).run().success().trimmed();
    // What is waited for from the start is seen whole; what is kept are the last lines.
    minidock(state, "start it").run().success();
    minidock(state, "wait it").run().success();
    let kept = minidock(state, "logs it").run().success().text();
    let last: Vec<String> = (0..count).map(|n| format!("line {n}")).collect();
    let kept: Vec<&str> = kept.lines().collect();
    assert!(kept.len() > 500 && kept.len() < 3000, "{}", kept.len());
    assert_eq!(kept, last[last.len() - kept.len()..]);
    let directory = state.join("containers").join(id);
    let files = ["log.jsonl", "log.jsonl.1", "log.jsonl.2"].map(|name| directory.join(name));
    assert!(files.iter().all(|file| fs::metadata(file).unwrap().len() < 256 << 10));
    assert!(!directory.join("log.jsonl.3").exists());

    let follow = "i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.01; done";
    run_in_background(state, "--name slow --log-opt max-size=1k --log-opt max-file=9", follow);
    let followed = minidock(state, "logs -f slow").run().success().text();
    let lines: Vec<String> = (0..40).map(|n| format!("line {n}")).collect();
    assert_eq!(followed.lines().collect::<Vec<_>>(), lines);

    // Several files are begun between two looks.
    let options = "--name fast --log-opt max-size=1k --log-opt max-file=4000000000";
    run_in_background(state, options, "i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done");
    let followed = minidock(state, "logs -f fast").run().success().text();
    let lines: Vec<String> = (0..2000).map(|n| n.to_string()).collect();
    assert_eq!(followed.lines().collect::<Vec<_>>(), lines);
    minidock(state, "logs fast").run().success().stdout(&followed);
}

#[test]
fn a_fast_writer_loses_no_line_and_the_shim_stays_small() {
    let state = fresh_root();
    let state = state.path();
    let script = "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done; sleep 600";
    let id = run_in_background(state, "--name it", script);
    let log = || minidock(state, "logs it").run().success().text();
    wait_for("the last line", || log().ends_with("19999\n").then_some(()));
    let lines: Vec<String> = (0..20000).map(|n| n.to_string()).collect();
    assert_eq!(log().lines().collect::<Vec<_>>(), lines);
    let shim = shim_of(first_process(&id));
    let resident = host::status(shim, "VmRSS").unwrap();
    let kib: u64 = resident.split(' ').next().unwrap().parse().unwrap();
    // A debug build is larger than the one that people use.
    assert!(kib < 6 << 10, "{resident}");
    minidock(state, "rm -f it").run().success();
}

#[test]
fn who_attaches_sees_and_types_and_detaches_and_the_container_stays() {
    let state = fresh_root();
    let state = state.path();
    let id = minidock(state, "run -dit --name it lab sh").run().success().trimmed();
    let pid = first_process(&id);
    let mut terminal = minidock(state, "attach it").on_terminal(24, 80);
    let token = random_token();
    terminal.write(&format!("echo {}\"\"{}; stty size\n", &token[..8], &token[8..]));
    terminal.read_until(&token);
    terminal.read_until("24 80");
    terminal.write("\x10\x11");
    terminal.read_until("read escape sequence");
    assert!(terminal.wait().success());
    assert!(host::is_alive(pid));
    // Killed, the one that is attached takes nothing with it either.
    let attached = minidock(state, "attach --no-stdin it").spawn();
    attached.signal(Signal::SIGKILL);
    attached.wait().killed_by(9);
    assert!(host::is_alive(pid));
    minidock(state, "logs it").run().success().stdout_contains(&token);
    minidock(state, "kill -s HUP it").run().success();
    minidock(state, "kill it").run();
    minidock(state, "attach it").run().code(1).stderr_contains("stopped container");
    minidock(state, "rm -f it").run().success();
}

#[test]
fn input_goes_to_one_that_is_started_with_it() {
    let state = fresh_root();
    let state = state.path();
    let text = random_token();
    minidock(state, "create -i --name it lab").sh("cat; cat >&2; exit 5").run().success();
    let started = minidock(state, "start -ai it").stdin(&text).run();
    started.code(5).stdout(&text);
    minidock(state, "start -a it nobody").run().code(1).stderr_contains("multiple containers");
    minidock(state, "rm it").run().success();
}

#[test]
fn one_that_fails_is_started_again_as_its_policy_says() {
    let state = fresh_root();
    let state = state.path();
    run_in_background(state, "--name thrice --restart on-failure:2", "echo again; exit 4");
    wait_for("its last end", || status(state, "thrice").starts_with("Exited (4) ").then_some(()));
    wait_for("three runs", || {
        let logs = minidock(state, "logs thrice").run().success().text();
        (logs == "again\nagain\nagain\n").then_some(())
    });
    wait_for("its last end", || status(state, "thrice").starts_with("Exited (4) ").then_some(()));

    let id = run_in_background(state, "--name always --restart always", "echo x; sleep 600");
    let first = first_process(&id);
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    let second = wait_for("another life", || {
        first_process_now(&id).filter(|pid| *pid != first && host::is_alive(*pid))
    });
    // Who stops it means it.
    minidock(state, "stop -t 0 always").run().success();
    assert!(status(state, "always").starts_with("Exited (137) ") && !host::is_alive(second));
    std::thread::sleep(Duration::from_millis(300));
    assert!(status(state, "always").starts_with("Exited (137) "));
    // Also between two lives.
    minidock(state, "run -d --name often --restart always lab false").run().success();
    wait_for("a pause", || status(state, "often").starts_with("Restarting").then_some(()));
    minidock(state, "stop often").run().success();
    assert!(status(state, "often").starts_with("Exited (1) "), "{}", status(state, "often"));
    for wrong in ["sometimes", "always:2", "on-failure:x"] {
        let refused = minidock(state, "run -d --restart").arg(wrong).words("lab true").run();
        refused.code(125).stderr_contains("restart policy");
    }
    minidock(state, "run --rm --restart always lab true").run().code(125).stderr_contains("--rm");
}

#[test]
fn a_killed_shim_takes_its_container_along_and_the_record_says_so() {
    let state = fresh_root();
    let state = state.path();
    let id = run_in_background(state, "--name it", "echo kept > /kept; sleep 600");
    let pid = first_process(&id);
    let shim = shim_of(pid);
    wait_for("the file", || {
        let kept = minidock(state, "exec it cat /kept").run();
        kept.status().success().then_some(())
    });
    kill(Pid::from_raw(shim), Signal::SIGKILL).unwrap();
    wait_for("its end", || (!host::is_alive(pid)).then_some(()));
    wait_for("the truth", || status(state, "it").starts_with("Exited (137) ").then_some(()));
    minidock(state, "wait it").run().success().stdout("137\n");
    minidock(state, "start it").run().success();
    minidock(state, "exec it cat /kept").run().success().stdout("kept\n");
    minidock(state, "rm -f it").run().success();
}

#[test]
fn a_name_can_be_changed() {
    let state = fresh_root();
    let state = state.path();
    minidock(state, "create --name one lab true").run().success();
    minidock(state, "rename one two").run().success();
    minidock(state, "start two").run().success().stdout("two\n");
    minidock(state, "start one").run().code(1).stderr_contains("No such container: one");
    minidock(state, "create --name one lab true").run().success();
    minidock(state, "rename one two").run().code(1).stderr_contains("already in use");
    minidock(state, "rename one one").run().code(1).stderr_contains("same name");
    minidock(state, "rename one ../x").run().code(1).stderr_contains("../x");
    // What runs keeps its name for `exec`, too.
    run_in_background(state, "--name old", "sleep 600");
    minidock(state, "rename old new").run().success();
    minidock(state, "exec new true").run().success();
    minidock(state, "stop -t 0 new").run().success();
    minidock(state, "rm one two new").run().success();
}

#[test]
fn two_stores_have_names_of_their_own() {
    let (one, other) = (fresh_root(), fresh_root());
    let name = format!("same-{}", random_token());
    let ids: Vec<String> = [&one, &other]
        .map(|state| run_in_background(state.path(), &format!("--name {name}"), "sleep 600"))
        .into();
    for (state, id) in [&one, &other].into_iter().zip(&ids) {
        assert_eq!(inspect(state.path(), &name, "Id"), *id);
        let first = first_process(id);
        let groups = testkit::cgroup::groups(first);
        let is_own = |part: &OsStr| part == OsStr::new(&name) || part == OsStr::new(id);
        // On version 1, root alone may make groups.
        assert!(
            !testkit::is_root() || groups.iter().any(|group| group.directory.iter().any(is_own))
        );
        minidock(state.path(), "rm -f").arg(&name).run().success();
        assert!(!host::is_alive(first));
    }
}

#[test]
fn of_ten_who_start_one_at_once_each_finds_it_running() {
    let state = fresh_root();
    let state = state.path();
    minidock(state, "create --name one lab sleep 600").run().success();
    let start = |_| minidock(state, "start one").spawn();
    for run in (0..10).map(start).collect::<Vec<_>>() {
        run.wait().success().stdout("one\n");
    }
    // What lies on the lab keeps it, whoever cleans.
    minidock(state, "clean").run();
    minidock(state, "exec one true").run().success();
    minidock(state, "restart -t 0 one").run().success();
    minidock(state, "rm -f one").run().success();
}

#[test]
fn a_full_disk_is_told_and_harms_nothing() {
    if !testkit::root_or_skip("a small file system is mounted") {
        return;
    }
    let state = fresh_root();
    let script = r#"
        mount -t tmpfs -o size=96m none "$1"; export MINIDOCK_ROOT="$1/state" MINIDOCK_RUN="$2"
        "$3" run --rm lab true || exit 10
        id=$("$3" run -d --name it lab sh -c 'read x < /gate; exit 9') || exit 11
        mkfifo "$1/state/containers/$id/upper/gate" 2>/dev/null
        dd if=/dev/zero of="$1/fill" bs=4k 2>/dev/null
        "$3" create --name other lab true && exit 12
        "$3" kill it; "$3" ps -a --format '{{.Names}} {{.Status}}'
        rm "$1/fill"
        "$3" ps -a --format '{{.Names}} {{.Status}}'; "$3" start it && "$3" rm -f it
    "#;
    let run = state.path().join("run");
    let session =
        testkit::program("unshare").words("--mount --propagation private -- sh -c").arg(script);
    let session = session.arg("sh").arg(state.path()).arg(run).arg(testkit::binary(3)).run();
    let text = session.success().text();
    assert_eq!(text.matches("it Exited (").count(), 2, "{text}");
    assert!(!text.contains("other"), "{text}");
    session.stderr_contains("No space left on device");
}

#[test]
fn what_cannot_be_is_refused_in_dockers_words() {
    let state = fresh_root();
    let state = state.path();
    for command in ["start", "stop", "restart", "kill", "wait", "logs", "attach", "rm"] {
        minidock(state, command)
            .arg("nobody")
            .run()
            .code(1)
            .stderr_contains("No such container: nobody");
    }
    minidock(state, "run -d nothing true").run().code(125);
    minidock(state, "run -d --name gone lab no-such-command")
        .run()
        .code(127)
        .stderr_contains("no-such-command");
    assert_eq!(status(state, "gone"), "Created");
    // There is nothing to wait for.
    minidock(state, "wait gone").run().success().stdout("127\n");
    minidock(state, "create -d lab true").run().code(125).stderr_contains("try: leave it out");
    minidock(state, "start gone").run().code(1).stderr_contains("no-such-command");
    minidock(state, "rm -v gone").run().success();
    let file = state.join("cid");
    let id =
        minidock(state, "run -d --cidfile").arg(&file).words("lab true").run().success().trimmed();
    assert_eq!(fs::read_to_string(&file).unwrap(), id);
    let again = minidock(state, "run --rm --cidfile").arg(&file).words("lab true").run();
    again.code(125).stderr_contains("container ID file found");
    for (words, said) in [
        ("--stop-signal NONE", "invalid signal: NONE"),
        ("--log-opt max-size=x", "max-size"),
        ("--log-opt some=x", "unknown log opt"),
        ("--label =x", "invalid label"),
    ] {
        minidock(state, "run -d")
            .words(words)
            .words("lab true")
            .run()
            .code(125)
            .stderr_contains(said);
    }
    // A record that is damaged is named, and the others are served.
    let broken = minidock(state, "create --name broken lab true").run().success().trimmed();
    fs::write(state.join("containers").join(&broken).join("config.json"), "{").unwrap();
    minidock(state, "create --name fine lab true").run().success();
    minidock(state, "start fine").run().success();
    minidock(state, "ps -a").run().success().stderr_contains(&broken);
    minidock(state, "start broken").run().code(1).stderr_contains(&broken);
}
