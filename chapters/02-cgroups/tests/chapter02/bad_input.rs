//! Bad input: the message names the cause, the remedy follows where one is known, and nothing runs and nothing is left.

use testkit::Output;

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
