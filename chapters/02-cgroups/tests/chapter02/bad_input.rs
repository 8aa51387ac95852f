//! Bad input: the message names the cause, the remedy follows where one is known, and nothing runs and nothing is left.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::Output;
use testkit::cgroup::{self, Group};

use crate::{SLEEP, container, may_limit, minidock};

/// `minidock-02: CAUSE`, and on the last line, `  try: REMEDY`; and no group.
#[track_caller]
fn refuses(session: &Output, cause: &str) {
    session.code(125).stdout("").stderr_contains(cause).stderr_contains("\n  try: ");
    let binary = testkit::binary(2);
    let name = binary.file_name().unwrap().to_string_lossy().into_owned();
    session.claim(
        session.errors().starts_with(&format!("{name}: ")),
        &format!("{name}: at the beginning"),
    );
}

fn run(options: &str) -> Output {
    minidock("run").words(options).words("lab /probe exit 3").run()
}

#[test]
fn a_name_that_climbs_or_is_none() {
    let long = "n".repeat(300);
    for name in ["..", ".", "../up", "a/b", "/etc", "", "-x", "a b", "a\nb", "Ä", "*", &long] {
        let name = format!("--name={name}");
        let session = minidock("run").arg(&name).words("lab /probe exit 3").run();
        session.code(125).stdout("").stderr_contains("name");
    }
}

#[test]
fn a_name_that_the_kernel_has_for_a_file() {
    if !may_limit() {
        return;
    }
    for name in ["cgroup.procs", "memory.max", "cgroup.controllers", "tasks", "notify_on_release"] {
        let session = run(&format!("--name {name}"));
        // Where this hierarchy has no such file, it is a name like any other.
        if session.status().code() != Some(3) {
            refuses(&session, name);
        }
    }
}

#[test]
fn a_name_that_is_taken() {
    if !may_limit() {
        return;
    }
    let one = container("", SLEEP);
    refuses(&run(&format!("--name {}", one.name)), &one.name);
}

#[test]
fn words_that_are_no_numbers() {
    for option in ["-m", "--pids-limit"] {
        for value in ["many", "", "1x", "0x10", "1.5.2"] {
            let session = minidock("run").arg(option).arg(value).words("lab true").run();
            session.code(125).stdout("").stderr_contains(option.trim_start_matches('-'));
        }
    }
}

#[test]
fn memory_below_what_a_program_needs() {
    refuses(&run("-m 6291455"), "6MB");
    refuses(&run("-m 64m --memory-reservation 1m"), "6MB");
    if may_limit() {
        run("-m 6m").code(3);
    }
}

#[test]
fn swap_below_memory_or_without_it() {
    refuses(&run("-m 64m --memory-swap 63m"), "memoryswap");
    refuses(&run("--memory-swap 64m"), "Memory limit");
    refuses(&run("-m 64m --memory-reservation 65m"), "reservation");
}

#[test]
fn more_processes_than_the_kernel_numbers() {
    refuses(&run("--pids-limit 4194305"), "4194305");
    if may_limit() {
        run("--pids-limit 4194304").code(3);
    }
}

#[test]
fn what_begins_as_an_option_is_a_value() {
    refuses(&run("-m -5m"), "invalid size: '-5m'");
    refuses(&run("--cpus -x"), "-x");
    refuses(&run("--name -x"), "Invalid container name (-x)");
}

#[test]
fn a_full_disk_that_is_none_of_ours() {
    let session = minidock("ps").within("\"$@\" > /dev/full").run();
    session.code(1).stderr_contains("standard output").stderr_contains("\n  try: ");
    assert!(!session.errors().contains("--root"), "{session}");
}

#[test]
fn more_processors_than_there_are() {
    let all = std::thread::available_parallelism().unwrap();
    refuses(&run(&format!("--cpus {all}.01")), "CPUs available");
    refuses(&run("--cpus 0.001"), "Range of CPUs");
    refuses(&run("--cpuset-cpus 9999"), "9999");
    refuses(&run("--cpuset-cpus 1-0"), "1-0");
    refuses(&run("--cpuset-mems 9999"), "9999");
    refuses(&run("-c 1"), "minimum allowed cpu-shares");
    refuses(&run("-c 262145"), "maximum allowed cpu-shares");
}

#[test]
fn a_device_that_is_none() {
    refuses(&run("--device-read-bps /dev/no-such-disk:1mb"), "/dev/no-such-disk");
    refuses(&run("--device-write-bps /dev/null:1mb"), "not a block device");
    refuses(&run("--device-read-iops /dev/null"), "bad format");
    refuses(&run("--device-write-iops /dev/null:fast"), "positive integer");
}

#[test]
fn a_group_that_stays_busy_is_named_and_who_is_in_it() {
    if !may_limit() {
        return;
    }
    // A stranger in the way, whom the kernel's other freezer holds: it does not even die.
    let one = container("", SLEEP);
    let is_v1 = |group: &Group| group.version == 1;
    let freezer = cgroup::hierarchies().into_iter().find(|group| {
        group.controllers.iter().any(|name| name == "freezer") && one.core().version == 2
    });
    let of_v1 = one.groups().into_iter().find(is_v1);
    let Some((freezer, group)) = freezer.zip(of_v1) else {
        testkit::here_or_skip(false, "it needs both versions of control groups", "it has no other");
        return;
    };
    let stranger = testkit::program("sleep").arg("600").spawn();
    // Not among ours, where another test's `clean` may remove it while nobody is in it.
    let held = freezer.directory.join(format!("minidock-test-{}", testkit::random_token()));
    std::fs::create_dir(&held).unwrap();
    for directory in [&held, &group.directory] {
        std::fs::write(directory.join("cgroup.procs"), stranger.pid().to_string()).unwrap();
    }
    std::fs::write(held.join("freezer.state"), "FROZEN").unwrap();
    let name = one.name.clone();
    kill(Pid::from_raw(one.pid), Signal::SIGKILL).unwrap();
    let session = one.running.wait();
    std::fs::write(held.join("freezer.state"), "THAWED").unwrap();
    let pid = stranger.pid().to_string();
    drop(stranger);
    std::fs::remove_dir(&held).unwrap();
    session.stderr_contains("is still busy").stderr_contains(&pid);
    session.stderr_contains("\n  try: ");
    minidock("run --rm --name").arg(&name).words("lab true").run().success();
    crate::has_left_nothing(&name);
}
