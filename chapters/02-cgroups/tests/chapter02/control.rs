//! A second terminal: `pause`, `unpause`, `stop`, `kill` and `update`, and what the kernel's files say afterwards.

use std::time::Duration;

use testkit::{host, random_token, wait_for};

use crate::ending::all_die;
use crate::{
    Container, SLEEP, container, has_left_nothing, leaves_nothing, may_limit, minidock, random,
};

const MIB: u64 = 1 << 20;

impl Container {
    /// `COMMAND OPTIONS NAME`, which names the container when it is done.
    #[track_caller]
    fn told(&self, command: &str) {
        let session = minidock(command).arg(&self.name).run();
        session.success().stdout(&format!("{}\n", self.name)).stderr("");
    }

    fn is_frozen(&self) -> bool {
        let core = self.core();
        match core.version {
            1 => core.read("freezer.state") == "FROZEN",
            _ => core.number("cgroup.events", "frozen") == 1,
        }
    }
}

#[test]
fn a_paused_container_stands_still() {
    if !may_limit() {
        return;
    }
    let script = "setsid sh -c 'while :; do : $((n += 1)); done' & while :; do : $((n += 1)); done";
    let one = container("--pids-limit 50", script);
    let id = host::container_id(one.pid).unwrap();
    assert!(!one.is_frozen());
    one.told("pause");
    assert!(one.is_frozen());
    // By the kernel's count it has no processor time from here on.
    let used = || one.processor_time();
    let before = used();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(used(), before);
    let paused = minidock("ps --format {{.Names}}={{.State}}").run().success().text();
    assert!(paused.lines().any(|line| line == format!("{}=paused", one.name)), "{paused}");
    let again = minidock("pause").arg(&one.name).run();
    again.code(1).stdout("").stderr_contains(&format!("Container {id} is already paused"));
    // A command in there would wait for ever.
    let exec = minidock("exec").arg(&one.name).words("true").run();
    exec.code(1).stderr_contains("paused");
    one.told("unpause");
    assert!(!one.is_frozen());
    wait_for("it to go on", || (used() > before).then_some(()));
    let again = minidock("unpause").arg(&one.name).run();
    again.code(1).stdout("").stderr_contains("is not paused");
}

#[test]
fn a_signal_goes_to_the_first_process() {
    if !may_limit() {
        return;
    }
    let name = random_token();
    let run = minidock("run --rm --name").arg(&name).words("lab /probe signals").spawn();
    run.wait_for_line("ready");
    for (option, signal) in [("-s USR1", "USR1"), ("--signal=SIGUSR2", "USR2"), ("-s 1", "HUP")] {
        minidock("kill").words(option).arg(&name).run().success().stdout(&format!("{name}\n"));
        run.wait_for_line(signal);
    }
    minidock("stop").arg(&name).run().success().stdout(&format!("{name}\n"));
    // It was asked (SIGTERM) and has ended by itself.
    run.wait().success().stdout_contains("TERM\n");
    has_left_nothing(&name);
}

#[test]
fn a_container_that_does_not_listen_is_killed_after_a_while() {
    if !may_limit() {
        return;
    }
    for options in ["", "--pid host"] {
        let token = random_token();
        let script = format!(
            "trap '' TERM; setsid sh -c 'sleep 600; : {token}' & echo deaf; sleep 600; : {token}"
        );
        let one = container(options, &script);
        one.running.wait_for_line("deaf");
        one.told("stop -t 0");
        // When the command has returned, it is over.
        has_left_nothing(&one.name);
        all_die(&token);
        one.running.wait().code(137);
    }
}

#[test]
fn the_final_kill_reaches_everyone() {
    if !may_limit() {
        return;
    }
    for (options, pause) in
        [("", false), ("--pid host", false), ("--pid host", true), ("--init", true)]
    {
        let token = random_token();
        let script = format!(
            "(setsid unshare --pid --fork sh -c 'sleep 600; : {token}' &) ; sleep 600; : {token}"
        );
        let one = container(options, &script);
        let alive =
            || host::with_token(&token).into_iter().filter(|&pid| host::is_alive(pid)).count();
        wait_for("both", || (alive() >= 3).then_some(()));
        if pause {
            one.told("pause");
        }
        one.told("kill");
        has_left_nothing(&one.name);
        all_die(&token);
        one.running.wait().code(137);
    }
}

#[test]
fn several_are_controlled_at_once_and_each_failure_is_told() {
    if !may_limit() {
        return;
    }
    let (one, two, none) = (container("", SLEEP), container("", SLEEP), random_token());
    let names = [one.name.clone(), none.clone(), two.name.clone()];
    let session = minidock("kill").args(&names).run();
    session.code(1).stdout(&format!("{}\n{}\n", one.name, two.name));
    session.stderr_contains(&format!("No such container: {none}"));
    leaves_nothing(&one.name);
    leaves_nothing(&two.name);
    for command in ["stop", "kill", "pause", "unpause", "update -m 40m", "top", "stats --no-stream"]
    {
        let session = minidock(command).arg(&none).run();
        session.code(1).stdout("").stderr_contains(&format!("No such container: {none}"));
    }
}

#[test]
fn a_container_is_found_by_the_beginning_of_its_id() {
    if !may_limit() {
        return;
    }
    let one = container("", SLEEP);
    let id = host::container_id(one.pid).unwrap();
    for text in [&id[..], &id[..12]] {
        minidock("exec").arg(text).words("/probe exit 9").run().code(9);
    }
    minidock("pause").arg(&id[..16]).run().success().stdout(&format!("{}\n", &id[..16]));
    assert!(one.is_frozen());
    minidock("kill").arg(&id).run().success();
    has_left_nothing(&one.name);
}

#[test]
fn limits_change_while_it_runs() {
    if !may_limit() {
        return;
    }
    let one = container("-m 64m --pids-limit 30", SLEEP);
    let memory = || one.value("memory", "memory.limit_in_bytes", "memory.max");
    let mebibytes = random(40, 20);
    one.told(&format!("update -m {mebibytes}m"));
    assert_eq!(memory(), (mebibytes * MIB).to_string());
    // What both together may have was 128 MiB, and so more needs more of both.
    let more = minidock("update -m 200m").arg(&one.name).run();
    more.code(1).stderr_contains("memoryswap").stderr_contains("\n  try: ");
    assert_eq!(memory(), (mebibytes * MIB).to_string());
    one.told("update -m 200m --memory-swap 300m");
    assert_eq!(memory(), (200 * MIB).to_string());
    let group = one.group("memory");
    match group.version {
        1 => assert_eq!(group.number("memory.memsw.limit_in_bytes", ""), 300 * MIB),
        _ => assert_eq!(group.number("memory.swap.max", ""), 100 * MIB),
    }
    assert_eq!(one.value("pids", "pids.max", "pids.max"), "30");
    one.told("update --pids-limit 77 --cpus 0.25");
    assert_eq!(one.value("pids", "pids.max", "pids.max"), "77");
    let quota = one.value("cpu", "cpu.cfs_quota_us", "cpu.max");
    assert!(quota == "25000" || quota == "25000 100000", "{quota}");
    one.told("update --pids-limit -1");
    assert_eq!(one.value("pids", "pids.max", "pids.max"), "max");
}

#[test]
fn a_lower_limit_is_kept_at_once() {
    if !may_limit() {
        return;
    }
    let one = container("--pids-limit 40", SLEEP);
    one.told("update --pids-limit 12");
    let bomb = minidock("exec").arg(&one.name).words("/probe forkbomb").run();
    bomb.success().stdout_contains("processes=10\n");
    one.told("update -m 32m");
    minidock("exec").arg(&one.name).words("/probe eat 64M").run().code(137);
    let nothing = minidock("update").arg(&one.name).run();
    nothing.code(125).stderr_contains("one or more flags");
    let less = minidock("update -m 1m").arg(&one.name).run();
    less.stdout("").stderr_contains("6MB").claim(!less.status().success(), "a failure");
}

/// Version 1 has a hierarchy for each of these, which the container has not joined before.
#[test]
fn limits_that_come_later_reach_every_process() {
    if !may_limit() {
        return;
    }
    let one = container("", "setsid sleep 600 & exec sleep 600");
    let before = wait_for("two processes", || {
        let processes = one.core().processes();
        (processes.len() == 2).then_some(processes)
    });
    let update = minidock("update --cpus 0.3 --cpuset-cpus 0 --pids-limit 77").arg(&one.name).run();
    update.success().stdout(&format!("{}\n", one.name));
    assert_eq!(one.value("pids", "pids.max", "pids.max"), "77");
    assert_eq!(one.value("cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
    for controller in ["cpu", "cpuset", "pids"] {
        let mut inside = one.group(controller).processes();
        inside.sort_unstable();
        assert_eq!(inside, before, "{controller}");
    }
    one.told("kill");
    crate::leaves_nothing(&one.name);
}
