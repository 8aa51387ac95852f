//! A name is one container's as long as that lives, and nobody's afterwards.

use std::os::unix::process::ExitStatusExt;

use testkit::{cgroup, random_token};

use crate::{SLEEP, container, has_left_nothing, leaves_nothing, may_limit, minidock};

#[test]
fn a_name_is_taken_once() {
    if !may_limit() {
        return;
    }
    let one = container("", SLEEP);
    let second = minidock("run --rm --name").arg(&one.name).words("lab /probe exit 3").run();
    second.code(125).stdout("").stderr_contains(&one.name).stderr_contains("\n  try: ");
    // Who was refused has taken nothing away.
    assert!(testkit::host::is_alive(one.pid));
    assert_eq!(one.core().processes(), [one.pid]);
    assert!(!one.groups().is_empty());
}

#[test]
fn nobody_else_can_hold_a_name() {
    if !may_limit() || testkit::peer("setpriv", "apt install util-linux").is_none() {
        return;
    }
    let one = container("", SLEEP);
    // To lock a directory is to open it first, for reading.
    let look = testkit::program("sh").args(["-c", "test -r \"$0\""]).arg(&one.core().directory);
    look.as_user(43210).run().code(1);
    // Its limits, the container's own users may read.
    let words =
        "exec -u 1234 NAME cat /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/unified/cgroup.procs";
    let read = minidock(&words.replace("NAME", &one.name)).run();
    read.stdout_contains("1\n");
}

#[test]
fn of_ten_at_once_one_wins() {
    if !may_limit() {
        return;
    }
    for _ in 0..3 {
        let name = random_token();
        let start = || {
            let run = minidock("run -i --rm --name").arg(&name).words("lab sh -c");
            run.arg("echo won; read line; exit 3").open_stdin().spawn()
        };
        let mut ten: Vec<_> = (0..10).map(|_| start()).collect();
        // The winner waits for a line; the others end by themselves.
        testkit::wait_for("nine refusals", || {
            let running = ten.iter_mut().map(|one| one.is_running()).filter(|running| *running);
            (running.count() == 1).then_some(())
        });
        let mut codes = Vec::new();
        for one in ten {
            let session = one.wait();
            let code = session.status().code();
            match code {
                Some(3) => _ = session.stdout("won\n").stderr(""),
                _ => _ = session.code(125).stdout("").stderr_contains(&name),
            }
            codes.push(code.unwrap_or(-session.status().signal().unwrap_or(0)));
        }
        assert_eq!(codes.iter().filter(|code| **code == 3).count(), 1, "{codes:?}");
        has_left_nothing(&name);
    }
}

#[test]
fn a_name_is_free_after_the_end() {
    if !may_limit() {
        return;
    }
    let name = random_token();
    for code in [0, 1, 7] {
        let run = minidock("run --rm --name").arg(&name).words("lab /probe exit");
        run.arg(code.to_string()).run().code(code);
        has_left_nothing(&name);
    }
    let one = container("", SLEEP);
    let name = one.name.clone();
    drop(one);
    leaves_nothing(&name);
    minidock("run --rm --name").arg(&name).words("lab true").run().success();
}

#[test]
fn a_group_that_nobody_minds_is_taken_over() {
    if !may_limit() {
        return;
    }
    // As a machine leaves it on which the keeper was killed, too.
    let (one, name) = (container("", SLEEP), random_token());
    let left: Vec<_> =
        one.groups().iter().map(|group| group.directory.with_file_name(&name)).collect();
    for directory in &left {
        std::fs::create_dir(directory).unwrap();
    }
    minidock("run --rm --pids-limit 77 --name").arg(&name).words("lab /probe exit 4").run().code(4);
    has_left_nothing(&name);
    assert!(!cgroup::named(&one.name).is_empty());
}
