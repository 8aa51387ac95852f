//! `--explain` tells what happens and nothing else, which strace(1) witnesses; `--plan` tells what would happen.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use testkit::{RootDir, peer};

use crate::{has_users, minidock, on_outer_host};

/// A kernel call as both tell it: its name, the arguments that both write alike, and its result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Call {
    name: String,
    arguments: Vec<String>,
    result: String,
}

impl Call {
    /// `NAME(ARGUMENTS`, if it is one of the calls that the story promises to tell.
    fn parse(text: &str) -> Option<Call> {
        let (name, arguments) = text.split_once('(')?;
        let name = name.trim();
        if !kernel::explain::NAMED.contains(&name) {
            return None;
        }
        let mut known = Vec::new();
        // A descriptor comes first or not at all; then the first text in quotes.
        let first = arguments.split(',').next().unwrap_or_default().trim();
        if first == "AT_FDCWD" || first.parse::<i64>().is_ok() {
            known.push(first.to_owned());
        }
        if let Some(quoted) = arguments.split('"').nth(1) {
            known.push(quoted.to_owned());
        }
        Some(Call { name: name.to_owned(), arguments: known, result: result(arguments) })
    }
}

/// What stands after the last ` = `: a number, or -1 and the errno's name.
fn result(text: &str) -> String {
    let result = text.rsplit_once(" = ").map_or("", |(_, result)| result);
    let words = if result.starts_with("-1 ") { 2 } else { 1 };
    result.split_whitespace().take(words).collect::<Vec<_>>().join(" ")
}

/// The story, in the order in which it was told. An execve that does not fail has no result: it is the last call.
fn told(story: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for line in story.lines() {
        if line.starts_with("      …") {
            let pending = calls.iter_mut().rev().find(|call| call.name == "execve").unwrap();
            pending.result = result(line);
        } else if let Some(call) = line.strip_prefix("    ").and_then(Call::parse) {
            calls.push(call);
        }
    }
    calls
}

/// What strace saw, for each process in the order in which its calls returned.
fn seen(trace: &str) -> Vec<Vec<Call>> {
    let mut processes: BTreeMap<&str, (String, Vec<Call>)> = BTreeMap::new();
    let mut ended = HashSet::new();
    // The first line is strace's own execve of the binary.
    for line in trace.lines().skip(1) {
        let (pid, text) = line.split_once(' ').unwrap();
        let text = text.trim_start();
        let (unfinished, calls) = processes.entry(pid).or_default();
        if let Some(begun) = text.strip_suffix(" <unfinished ...>") {
            *unfinished = begun.to_owned();
            continue;
        }
        let whole = match text.strip_prefix("<... ") {
            Some(resumed) => {
                format!("{}{}", std::mem::take(unfinished), resumed.split_once('>').unwrap().1)
            }
            None => text.to_owned(),
        };
        let Some(mut call) = Call::parse(&whole).filter(|_| !ended.contains(pid)) else { continue };
        if call.name == "execve" && call.result == "0" {
            call.result.clear();
            ended.insert(pid);
        }
        // A child's half of its own birth is nobody's to tell.
        calls.push(call);
    }
    processes.into_values().map(|(_, calls)| calls).collect()
}

/// Whether `told` is made of all of `seen`, each process's calls in their order and nothing besides. Two processes tell
/// at the same time, so each way of dealing out the calls has to be followed. Otherwise: where it goes wrong.
fn interleaves(told: &[Call], seen: &[Vec<Call>]) -> Result<(), String> {
    let mut places = HashSet::from([vec![0; seen.len()]]);
    for (number, call) in told.iter().enumerate() {
        let mut next = HashSet::new();
        for place in &places {
            for process in 0..seen.len() {
                if seen[process].get(place[process]) == Some(call) {
                    let mut place = place.clone();
                    place[process] += 1;
                    next.insert(place);
                }
            }
        }
        if next.is_empty() {
            let waiting = |place: &Vec<usize>| {
                (0..seen.len())
                    .map(|process| seen[process].get(place[process]).cloned())
                    .collect::<Vec<_>>()
            };
            let waiting: Vec<_> = places.iter().map(waiting).collect();
            return Err(format!(
                "call {number} is told as {call:?}; strace goes on with {waiting:?}"
            ));
        }
        places = next;
    }
    let missing = |place: &Vec<usize>| {
        (0..seen.len())
            .flat_map(|process| seen[process][place[process]..].to_vec())
            .collect::<Vec<_>>()
    };
    match places.iter().map(missing).min_by_key(Vec::len) {
        Some(left) if left.is_empty() => Ok(()),
        left => Err(format!("strace saw what was not told: {left:?}")),
    }
}

/// Runs `$MINIDOCK WORDS` under strace on a disposable host, where whoever runs the tests is root: a tracer takes the
/// setuid bit from newuidmap. Returns the story and the trace.
fn traced(words: &str, code: i32) -> Option<(String, String)> {
    peer("strace", "apt install strace")?;
    let (root, directory) = (RootDir::new(), testkit::scratch());
    let trace: PathBuf = directory.path().join("trace");
    let script = r#"code=0; strace -f -s 4096 -o "$TRACE" "$MINIDOCK" "$@" > /dev/null || code=$?; exit $code"#;
    let session = on_outer_host(script, &root.at("/probe")).words(words).env("TRACE", &trace).run();
    Some((session.code(code).errors(), std::fs::read_to_string(trace).unwrap()))
}

#[test]
fn the_story_and_strace_agree() {
    for (words, code) in [
        ("--explain run lab /probe true", 0),
        ("--explain run -i --read-only -h name -w /tmp lab /probe true", 0),
        ("--explain run --uts host --network host --ipc host lab /probe true", 0),
        ("--explain run --init lab /probe true", 0),
        ("--explain run -t lab /probe true", 0),
        ("--explain run lab no-such-command", 127),
        ("--explain run -w /nowhere lab true", 125),
        ("--explain --rootless run lab /probe true", 0),
    ] {
        let Some((story, trace)) = traced(words, code) else { return };
        let (told, seen) = (told(&story), seen(&trace));
        assert!(told.len() > 40 || code != 0, "{words}: {story}");
        if let Err(difference) = interleaves(&told, &seen) {
            panic!("{words}: {difference}\n{story}");
        }
    }
}

#[test]
fn every_call_that_is_promised_can_be_told() {
    // With a single id mapped, the kernel allows no setgroups(2), and none is tried.
    if !has_users() {
        return;
    }
    // A name that no wrapper uses any more would be compared with nothing.
    let stories: Vec<String> = [
        "--explain run -t --init -h name lab /probe true",
        "--explain --rootless run lab /probe true",
        "--explain run --pid host lab no-such-command",
    ]
    .into_iter()
    .map(|words| minidock(words).run().errors())
    .collect();
    // These belong to a signal, to a second command, and to the terminal's keeper.
    let elsewhere = ["pidfd_open", "pidfd_send_signal", "setns"];
    for name in kernel::explain::NAMED.iter().filter(|name| !elsewhere.contains(name)) {
        let call = format!("\n    {name}(");
        assert!(stories.iter().any(|story| story.contains(&call)), "{name} is told nowhere");
    }
}

#[test]
fn a_comparison_finds_what_is_missing_on_either_side() {
    let call = |name: &str| Call { name: name.into(), arguments: Vec::new(), result: "0".into() };
    let seen = [vec![call("a"), call("b")], vec![call("b"), call("c")]];
    for told in [["a", "b", "b", "c"], ["b", "a", "b", "c"], ["b", "c", "a", "b"]] {
        assert_eq!(interleaves(&told.map(call), &seen), Ok(()));
    }
    for told in [&["a", "b", "b"][..], &["a", "b", "b", "c", "c"], &["c", "b", "a", "b"]] {
        let told: Vec<Call> = told.iter().map(|name| call(name)).collect();
        assert!(interleaves(&told, &seen).is_err(), "{told:?}");
    }
}

#[test]
fn a_run_executes_our_binary_and_the_command_and_nothing_else() {
    for words in
        ["run lab /probe true", "run --init lab /probe true", "--rootless run lab /probe true"]
    {
        let Some((_, trace)) = traced(words, 0) else { return };
        let executed: Vec<&str> = trace.lines().filter(|line| line.contains("execve(")).collect();
        assert_eq!(executed.len(), 2, "{words}: {executed:#?}");
    }
}

#[test]
fn the_story_goes_to_standard_error_and_changes_nothing() {
    let session =
        minidock("--explain run lab").sh("echo out; ls /proc/self/fd | wc -l; exit 3").run();
    // ls(1) has a fourth, on the directory.
    session
        .code(3)
        .stdout("out\n4\n")
        .stderr_contains("    pivot_root(")
        .stderr_contains("clone3(2)");
    minidock("run --explain lab").sh("exit 4").run().code(4).stderr_contains("    pivot_root(");
}

#[test]
fn a_step_waits_for_a_key() {
    let mut steps = minidock("--explain=step run lab /probe exit 9").on_terminal(24, 80);
    steps.read_until("(");
    std::thread::sleep(Duration::from_millis(100));
    let calls = |screen: &str| screen.lines().filter(|line| line.starts_with("    ")).count();
    assert_eq!(calls(&steps.screen()), 1, "{}", steps.screen());
    assert!(!steps.screen().contains(" = "), "{}", steps.screen());
    steps.write("\r");
    steps.read_until(" = ");
    while steps.is_running() {
        steps.write("\r");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(steps.wait().code(), Some(9));
    assert!(calls(&steps.screen()) > 40, "{}", steps.screen());
}

#[test]
fn steps_need_a_terminal() {
    minidock("--explain=step run lab true")
        .under("setsid -w")
        .run()
        .code(125)
        .stderr_contains("terminal")
        .stderr_contains("  try: ");
}

#[test]
fn a_plan_is_told_and_not_carried_out() {
    let plan = minidock("run --plan -h name lab echo hello").run();
    insta::assert_snapshot!(plan.success().text());
    let shorter = minidock("run --plan --uts host --network host lab true").run().success().text();
    assert!(!shorter.contains("host name") && !shorter.contains("loopback"), "{shorter}");
    let root = RootDir::new();
    minidock("run --plan").arg(root.path()).words("/probe mount /probe /made").run().success();
    let names: Vec<_> =
        std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["probe"], "not even a mount point is made");
}
