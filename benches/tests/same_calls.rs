//! The floor is a measure only as long as it makes the same kernel calls as minidock-01, in the
//! same order and with the same arguments; strace(1) tells.

use benches::ground::{COMMAND, Ground};
use benches::peers::compiled;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// Memory and the handling of bytes and descriptors are a language's own business; the first two
/// lines are the loader's, too.
const IGNORED: [&str; 15] = [
    "brk",
    "mmap",
    "munmap",
    "mprotect",
    "prlimit64", //
    "close",
    "fcntl",
    "read",
    "lseek",
    "statx",
    "newfstatat",
    "fstat",
    "sigaltstack",
    "exit_group",
    "+++",
];

/// How the wait for the container's end begins: for its pidfd and for signals.
const WAITS: &str = "poll([{fd=";

#[test]
fn the_floor_makes_the_same_calls_as_minidock() {
    if !testkit::root_or_skip("without root, minidock-01 first enters a user namespace") {
        return;
    }
    let Some(strace) = testkit::peer("strace", "apt install strace") else { return };
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("same-calls");
    let ground = Ground::prepare(&directory).unwrap();
    let Some(floor) = compiled(&ground, "floor.c").unwrap() else { return };
    let ours = testkit::binary(1);

    let trace = |name: &str, words: &[&OsStr]| -> Vec<String> {
        let prefix = ground.path(name);
        // Names of numbers and whole strings, one file for each process.
        let mut command = Command::new(&strace);
        command.args(["-ff", "-s", "256", "-o"]).arg(&prefix).args(words);
        let output = command.arg(ground.root()).arg(COMMAND).output().unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
        let calls: Vec<String> =
            traces(&ground, name).iter().flat_map(|trace| calls(trace)).collect();
        assert!(calls.len() > 100, "{name}: {calls:#?}");
        calls
    };
    let of_floor = trace("floor-trace", &[floor.as_os_str()]);
    let of_ours = trace("our-trace", &[ours.as_os_str(), OsStr::new("run")]);
    let differs = of_ours.iter().zip(&of_floor).position(|(ours, floor)| ours != floor);
    let at = differs.unwrap_or(of_ours.len().min(of_floor.len()));
    assert!(
        of_ours == of_floor,
        "call {at} differs; change peers/floor.c\nminidock-01: {:#?}\nfloor: {:#?}",
        &of_ours[at.saturating_sub(2)..of_ours.len().min(at + 4)],
        &of_floor[at.saturating_sub(2)..of_floor.len().min(at + 4)],
    );
}

/// The traces of both processes, the parent's first.
fn traces(ground: &Ground, name: &str) -> Vec<String> {
    let entries = std::fs::read_dir(ground.path("")).unwrap();
    let mut traces: Vec<String> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_stem() == Some(OsStr::new(name)))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    traces.sort_by_key(|trace| !trace.contains("clone3("));
    traces
}

/// A process's calls from where the program itself begins (the parent asks who it is; the child
/// has begun) until it ends or becomes another program.
fn calls(trace: &str) -> Vec<String> {
    let begin = trace.find("geteuid()").unwrap_or(0);
    let mut calls = Vec::new();
    for line in trace[begin..].lines() {
        let name = line.split(['(', ' ']).next().unwrap();
        // Waiting is one thing, however often minidock-01 looks at the clock while it does.
        let waits_on = name == "poll" && calls.last().is_some_and(|last: &String| last == WAITS);
        if !IGNORED.contains(&name) && !line.starts_with("---") && !waits_on {
            calls.push(if line.starts_with(WAITS) { WAITS.into() } else { comparable(line) });
        }
        if name == "execve" {
            break;
        }
    }
    calls
}

/// The call without its result, and without what differs from run to run: numbers and ids.
fn comparable(line: &str) -> String {
    let call = line.rsplit_once(" = ").map_or(line, |(call, _)| call).trim_end();
    if let Some(signal) = call.strip_prefix("rt_sigaction(") {
        // What was there before is the language's.
        return format!("rt_sigaction({}", signal.split(", sa_mask").next().unwrap_or(signal));
    }
    let mut shown = String::new();
    for word in call.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric()) {
        let (word, end) =
            word.split_at(word.trim_end_matches(|l: char| !l.is_ascii_alphanumeric()).len());
        let number = word.starts_with(|letter: char| letter.is_ascii_digit());
        let id = word.len() >= 12 && word.chars().all(|letter| letter.is_ascii_hexdigit());
        shown += if number || id { "#" } else { word };
        shown += end;
    }
    shown
}
