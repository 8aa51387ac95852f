//! Limits are seen to bite, and the kernel's own counters agree: memory, processes, processor time.

use std::time::Instant;

use testkit::wait_for;

use crate::{container, has_left_nothing, may_limit, minidock, random};

const MIB: u64 = 1 << 20;

#[test]
fn who_needs_more_memory_than_allowed_is_killed_and_that_is_said() {
    if !may_limit() {
        return;
    }
    let name = testkit::random_token();
    let session = minidock("run -m 32m --name").arg(&name).words("lab /probe eat 64M").run();
    session.code(137).stdout("");
    let said = session.errors();
    session.claim(said.contains(": OOM-killed: limit 32MiB, peak "), "the cause");
    session.claim(said.lines().count() == 1, "one line");
    has_left_nothing(&name);
}

#[test]
fn a_child_that_is_killed_is_told_too() {
    if !may_limit() {
        return;
    }
    // The shell lives, and ends with a code of its own.
    let session =
        minidock("run -m 32m lab").sh("/probe eat 64M; code=$?; echo $code; exit 7").run();
    session.code(7).stdout("137\n").stderr_contains("OOM-killed: limit 32MiB, peak ");
    let quiet = minidock("run -m 32m lab /probe exit 137").run();
    quiet.code(137).stderr("");
}

#[test]
fn the_kernel_counts_who_was_killed_and_the_peak_keeps_below_the_limit() {
    if !may_limit() {
        return;
    }
    let mebibytes = random(24, 30);
    let script = "for n in 1 2 3; do /probe eat 64M || echo $n $?; done; echo done; exec sleep 600";
    let one = container(&format!("-m {mebibytes}m"), script);
    one.running.wait_for_line("done");
    for line in ["1 137", "2 137", "3 137"] {
        one.running.wait_for_line(line);
    }
    let group = one.group("memory");
    let (events, peak) = match group.version {
        1 => ("memory.oom_control", "memory.max_usage_in_bytes"),
        _ => ("memory.events", "memory.peak"),
    };
    assert_eq!(group.number(events, "oom_kill"), 3);
    let peak = group.number(peak, "");
    let limit = mebibytes * MIB;
    assert!(peak <= limit && peak > limit - MIB, "{peak} of {limit}");
}

#[test]
fn nearly_all_of_the_allowed_memory_can_be_used() {
    if !may_limit() {
        return;
    }
    let mebibytes = random(32, 32);
    let bytes = (mebibytes - 1) * MIB;
    let session = minidock("run -m").arg(format!("{mebibytes}m")).words("lab /probe eat");
    let session = session.arg(bytes.to_string()).run();
    session.success().stdout(&format!("ate={bytes}\n")).stderr("");
}

#[test]
fn a_fork_bomb_stops_at_the_limit() {
    if !may_limit() {
        return;
    }
    // The bomb is a process itself.
    minidock("run --pids-limit 64 lab /probe forkbomb")
        .run()
        .success()
        .stdout("processes=63\nEAGAIN\n");
    let most = random(8, 40);
    let session = minidock("run --pids-limit").arg(most.to_string()).words("lab /probe forkbomb");
    session.run().success().stdout_contains(&format!("processes={}\n", most - 1));
}

#[test]
fn the_counter_of_processes_agrees() {
    if !may_limit() {
        return;
    }
    let script = "for n in 1 2 3 4 5 6 7; do sleep 600 & done; echo begun; wait";
    let one = container("--pids-limit 64", script);
    one.running.wait_for_line("begun");
    let group = one.group("pids");
    assert_eq!(group.number("pids.current", ""), 8);
    assert_eq!(group.processes().len(), 8);
}

#[test]
fn four_spinners_get_what_they_were_promised() {
    if !may_limit() {
        return;
    }
    let script = "for n in 1 2 3 4; do /probe spin & done; echo begun; wait";
    let one = container("--cpus 0.2", script);
    one.running.wait_for_line("begun");
    let group = one.group("cpu");
    let throttled = || group.number("cpu.stat", "nr_throttled");
    let used = || one.processor_time();
    let (before, start) = (used(), Instant::now());
    let first = throttled();
    wait_for("ten more throttled periods", || (throttled() >= first + 10).then_some(()));
    let (spent, passed) = (used() - before, start.elapsed().as_micros() as u64);
    // A fifth of the time that passed; a period more at either end, and what each processor had been given in advance.
    let most = passed / 5 + 2 * 20_000 + 4 * 5_000;
    assert!(spent <= most, "{spent} µs of {passed} µs");
}
