//! `--explain` tells what happens and nothing else, which strace(1) witnesses; `--plan` tells what would happen.

use std::path::PathBuf;
use std::time::Duration;

use kernel::explain::NAMED;
use nix::sys::termios::LocalFlags;
use testkit::{RootDir, peer, story, wait_for};

use crate::{has_users, minidock, on_outer_host};

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
        ("--explain run -w /proc/nowhere lab true", 125),
        ("--explain --rootless run lab /probe true", 0),
    ] {
        let Some((story, trace)) = traced(words, code) else { return };
        let (told, seen) = (story::told(&story, NAMED), story::seen(&trace, NAMED));
        assert!(told.len() > 40 || code != 0, "{words}: {story}");
        if let Err(difference) = story::interleaves(&told, &seen) {
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
    // These belong to a signal, to a second command, to the terminal's keeper, to chapter 02, to chapter 03, and to
    // that one on older kernels.
    let elsewhere = [
        "fchmodat",
        "fchownat",
        "mount",
        "pidfd_open",
        "pidfd_send_signal",
        "setns",
        "rmdir",
        "unshare",
    ];
    for name in NAMED.iter().filter(|name| !elsewhere.contains(name)) {
        let call = format!("\n    {name}(");
        assert!(stories.iter().any(|story| story.contains(&call)), "{name} is told nowhere");
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
fn steps_that_are_stopped_leave_a_line_to_the_prompt() {
    let mut steps = minidock("--explain=step run lab /probe exit 9").on_terminal(24, 80);
    steps.read_until("(");
    // From then on Ctrl-C is a key; before, the terminal would make a signal of it.
    wait_for("a key to be asked for", || {
        (!steps.settings().local_flags.contains(LocalFlags::ISIG)).then_some(())
    });
    steps.write("\x03");
    assert_eq!(steps.wait().code(), Some(130));
    assert!(steps.screen().ends_with('\n'), "{:?}", steps.screen());
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

/// The title in a line of a plan that is a step: `   7. open the gate`.
fn title(line: &str) -> Option<&str> {
    let (number, title) = line.trim_start().split_once(". ")?;
    number.parse::<u32>().ok().map(|_| title)
}

#[test]
fn a_plan_is_told_and_not_carried_out() {
    let plan = minidock("run --plan -h name lab echo hello").run().success().text();
    let snapshot =
        include_str!("snapshots/chapter01__explain__a_plan_is_told_and_not_carried_out.snap");
    if std::env::var_os("MINIDOCK_BIN_01").is_none() {
        insta::assert_snapshot!(plan);
    } else {
        // A later chapter has more steps among these; another program has its own words for them.
        let mut steps = plan.lines().filter_map(title);
        // From chapter 03 on the root is made of layers.
        let of_layers = |title: &&str| !title.starts_with("clone the root's mount");
        let titles = snapshot.lines().filter_map(title).filter(of_layers);
        let missing = titles.into_iter().find(|title| !steps.any(|s| s == *title));
        assert_eq!(missing, None, "in this order: {plan}");
    }
    let shorter = minidock("run --plan --uts host --network host lab true").run().success().text();
    assert!(!shorter.contains("host name") && !shorter.contains("loopback"), "{shorter}");
    let root = RootDir::new();
    minidock("run --plan").arg(root.path()).words("/probe mount /probe /made").run().success();
    let names: Vec<_> =
        std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["probe"], "not even a mount point is made");
}
