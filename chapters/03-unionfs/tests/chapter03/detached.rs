//! `exec -d`: a command in a container that nobody waits for.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use testkit::{Program, host, random_token, root_or_skip, shared_root, wait_for};

use crate::background::Background;
use crate::minidock;

fn detached(options: &str, container: &Background) -> Program {
    minidock(shared_root(), "exec -d").words(options).arg(&container.name)
}

fn sleeper(options: &str) -> Background {
    Background::run(shared_root(), &format!("{options} lab sleep 600"))
}

/// A file of the container as its processes see it, once it has something in it.
fn content(container: &str, path: &str) -> String {
    wait_for(path, || {
        let cat = minidock(shared_root(), "exec").arg(container).words("cat").arg(path).run();
        Some(cat.text()).filter(|text| text.ends_with('\n'))
    })
}

/// The processes with this token: the command, and who minds it.
fn with_token(token: &str) -> (i32, i32) {
    wait_for("the command and its minder", || {
        let inside = |pid: &i32| host::container_id(*pid).is_some();
        let (commands, minders): (Vec<i32>, Vec<i32>) =
            host::with_token(token).into_iter().partition(inside);
        commands.first().copied().zip(minders.first().copied())
    })
}

#[test]
fn it_says_nothing_waits_for_nothing_and_keeps_nothing_of_the_callers() {
    let (container, token) = (sleeper(""), random_token());
    // `run` also waits for the end of whoever holds its streams.
    let script = "echo out; echo error >&2; exec /bin/sh -c 'sleep 600; :' $0";
    let started = detached("", &container).words("sh -c").arg(script).arg(&token);
    started.leak(7).leak(9).run().success().stdout("").stderr("");
    let (command, minder) = with_token(&token);
    assert_eq!(host::container_id(command).as_deref(), Some(&*container.id));
    for pid in [minder, command] {
        let opened = |number| fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap();
        for number in host::descriptors(pid) {
            let opened = opened(number);
            assert!(opened != Path::new("/"), "{pid}: {number} is still open");
            assert!(
                number > 2 || opened == Path::new("/dev/null"),
                "{pid}: {number} is {opened:?}"
            );
        }
    }
    assert_eq!(host::descriptors(command), [0, 1, 2]);
    assert_eq!(fs::read_link(format!("/proc/{minder}/cwd")).unwrap(), Path::new("/"));
    // In a session of its own: what is typed at the caller's terminal does not end it.
    let session = |pid: i32| {
        fs::read_to_string(format!("/proc/{pid}/stat"))
            .unwrap()
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .nth(3)
            .unwrap()
            .to_owned()
    };
    assert_eq!(session(minder), minder.to_string());
}

#[test]
fn it_ends_with_its_container_and_so_does_its_minder() {
    let (container, token) = (sleeper(""), random_token());
    let script = "trap '' TERM HUP INT; sleep 600; :";
    detached("", &container).words("sh -c").arg(script).arg(&token).run().success();
    wait_for("the command", || (!host::with_token(&token).is_empty()).then_some(()));
    minidock(shared_root(), "stop -t 0").arg(&container.name).run().success();
    wait_for("the end of both", || host::with_token(&token).is_empty().then_some(()));
}

#[test]
fn its_user_variables_and_directory_are_those_that_were_asked_for() {
    let (container, value) = (sleeper(""), random_token());
    detached(&format!("-e A={value} -w /tmp -u 1000"), &container)
        .sh("{ echo $A; pwd; id -u; } > all; mv all done")
        .run()
        .success();
    assert_eq!(content(&container.id, "/tmp/done"), format!("{value}\n/tmp\n1000\n"));
}

#[test]
fn what_it_leaves_running_goes_on_and_may_write() {
    let container = sleeper("");
    let script = "(sleep 0.3; echo lost; echo lost >&2; echo $? > /end; mv /end /done) & exit 3";
    detached("-i", &container).sh(script).stdin("ignored").run().success().stdout("");
    assert_eq!(content(&container.id, "/done"), "0\n");
}

#[test]
fn its_streams_are_the_containers_own_null_device() {
    if !root_or_skip("the lab box has the host's devices, which are not its to change") {
        return;
    }
    let container = sleeper("");
    let before = fs::metadata("/dev/null").unwrap();
    let script = "for i in 0 1 2; do stat -L -c %d:%i /proc/self/fd/$i /dev/null; done > /list
        chmod 600 /proc/self/fd/0 /dev/null; mv /list /done";
    detached("", &container).sh(script).run().success();
    let seen = content(&container.id, "/done");
    let lines: Vec<&str> = seen.lines().collect();
    // The second is the list itself.
    assert!(lines.len() == 6 && lines[0] == lines[1] && lines[4] == lines[5], "{seen}");
    assert_ne!(lines[0], format!("{}:{}", before.dev(), before.ino()));
    let now = fs::metadata("/dev/null").unwrap();
    assert_eq!(now.permissions().mode(), before.permissions().mode());
}

#[test]
fn it_may_have_a_terminal_that_nobody_sees() {
    let container = sleeper("");
    let script = "tty > /list; test -t 1 && echo yes >> /list; echo x; mv /list /done";
    detached("-it", &container).sh(script).run().success().stdout("").stderr("");
    let seen = content(&container.id, "/done");
    assert!(seen.starts_with("/dev/pts/") && seen.ends_with("\nyes\n"), "{seen}");
}

#[test]
fn what_cannot_be_started_is_told_in_the_foreground() {
    let (container, name) = (sleeper(""), format!("/{}", random_token()));
    let refused = detached("", &container).arg(&name).run();
    refused.code(127).stdout("").stderr_contains(&name);
    detached("", &container).arg("/etc").run().code(126).stderr_contains("is a directory");
    detached("-w /nowhere", &container).arg("true").run().code(125);
    let plan = detached("--plan", &container).arg("true").run();
    plan.success().stdout_contains("write to the container's /dev/null");
}

/// Every state in which nothing can be executed, in docker's words, whether it would be waited for or not.
#[test]
fn where_nothing_runs_nothing_is_executed() {
    let state = shared_root();
    let refused = |container: &Background, words: &str| {
        for options in ["exec", "exec -d"] {
            let refused = minidock(state, options).arg(&container.name).words("true").run();
            refused.code(1).stdout("").stderr_contains(words);
        }
    };
    let created = Background::create(state, "lab true");
    refused(&created, &format!("container {} is not running", created.id));
    let ended = Background::run(state, "lab true");
    minidock(state, "wait").arg(&ended.name).run().success();
    refused(&ended, &format!("container {} is not running", ended.id));
    let again = Background::run(state, "--restart always lab false");
    wait_for("docker's words", || {
        let refused = minidock(state, "exec -d").arg(&again.name).words("true").run();
        // It may just be running.
        refused
            .errors()
            .contains(&format!(
                "Container {} is restarting, wait until the container is running",
                again.id
            ))
            .then(|| {
                refused.code(1);
            })
    });
    let missing = random_token();
    let refused = minidock(state, "exec -d").arg(&missing).arg("true").run();
    refused.code(1).stderr_contains(&format!("No such container: {missing}"));
}

#[test]
fn in_a_paused_container_nothing_is_executed() {
    let (state, container) = (shared_root(), sleeper(""));
    let paused = minidock(state, "pause").arg(&container.name).run();
    if !testkit::here_or_skip(paused.status().success(), "no control group freezes here", "") {
        return;
    }
    let words = format!("Container {} is paused, unpause the container before exec", container.id);
    let refused = minidock(state, "exec -d").arg(&container.id).arg("true").run();
    refused.code(1).stdout("").stderr_contains(&words);
    minidock(state, "unpause").arg(&container.name).run().success();
}

#[test]
fn a_container_is_found_by_its_new_name_and_by_the_beginning_of_its_id() {
    let (state, container) = (shared_root(), sleeper(""));
    let (name, value) = (format!("n{}", random_token()), random_token());
    minidock(state, "rename").arg(&container.name).arg(&name).run().success();
    for (file, called) in [("/one", &*name), ("/two", &container.id[..13])] {
        let script = format!("echo {value} > /list; mv /list {file}");
        minidock(state, "exec -d").arg(called).sh(&script).run().success();
        assert_eq!(content(&container.id, file), format!("{value}\n"));
    }
    for command in ["exec", "exec -d"] {
        let old = minidock(state, command).arg(&container.name).arg("true").run();
        old.code(1).stderr_contains(&format!("No such container: {}", container.name));
    }
}
