//! `--ulimit` and `--oom-score-adj`: what the kernel keeps for each process, by /proc/PID/limits and /proc/PID/oom_score_adj.

use testkit::{Program, host, is_root, peer};

use crate::{minidock, random};

#[test]
fn each_process_is_limited() {
    let (soft, hard) = (random(20, 100), random(200, 100));
    let limits =
        format!("run --ulimit nofile={soft}:{hard} --ulimit core=0 lab cat /proc/self/limits");
    let text = minidock(&limits).run().success().text();
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of("Max open files"), [soft.to_string(), hard.to_string()]);
    assert_eq!(of("Max core file size"), ["0", "0"]);
}

#[test]
fn who_is_killed_first_is_told_to_the_kernel() {
    let score = random(1, 900).to_string();
    let run = minidock("run --oom-score-adj").arg(&score);
    let file = "lab cat /proc/self/oom_score_adj";
    run.words(file).run().success().stdout(&format!("{score}\n"));
    // Not every root may: CAP_SYS_RESOURCE is bit 24 (capabilities(7)).
    let rights = host::status(std::process::id() as i32, "CapEff").unwrap();
    if u64::from_str_radix(&rights, 16).unwrap() & 1 << 24 != 0 {
        minidock("run --oom-score-adj -7").words(file).run().success().stdout("-7\n");
    }
}

#[test]
fn who_comes_in_later_has_the_same() {
    let container = minidock("run --ulimit nofile=77 --oom-score-adj 300 lab");
    let container = container.sh("echo ready; exec sleep 600").spawn();
    container.wait_for_line("ready");
    let exec = minidock("exec").arg(container.container_pid().to_string());
    let session = exec.sh("ulimit -n; cat /proc/self/oom_score_adj").run();
    session.success().stdout("77\n300\n");
}

/// Without the right to raise anything, whoever runs the tests.
fn without_rights(program: Program) -> Option<Program> {
    if !is_root() {
        return Some(program);
    }
    peer("setpriv", "apt install util-linux")?;
    let drop = "--inh-caps=-sys_resource --bounding-set=-sys_resource";
    Some(program.under(&format!("setpriv {drop} --")))
}

#[test]
fn a_score_below_ones_own_takes_a_right() {
    let Some(run) = without_rights(minidock("run --oom-score-adj -500 lab true")) else { return };
    let session = run.run();
    session
        .code(125)
        .stdout("")
        .stderr_contains("--oom-score-adj")
        .stderr_contains("CAP_SYS_RESOURCE");
    session.stderr_contains("\n  try: ");
}

#[test]
fn a_raised_limit_takes_a_right() {
    let run = minidock("run --ulimit nofile=500 lab true").limit(libc::RLIMIT_NOFILE, 400);
    let Some(run) = without_rights(run) else { return };
    let session = run.run();
    session
        .code(125)
        .stdout("")
        .stderr_contains("--ulimit nofile")
        .stderr_contains("CAP_SYS_RESOURCE");
    session.stderr_contains("\n  try: ");
}

#[test]
fn words_that_are_no_limits() {
    for (option, words) in [
        ("--oom-score-adj 1001", "range for oom score adj"),
        ("--oom-score-adj many", "--oom-score-adj"),
        ("--ulimit nofile", "invalid ulimit argument"),
        ("--ulimit files=3", "invalid ulimit type"),
        ("--ulimit nofile=3:2", "less than or equal"),
    ] {
        let session = minidock("run").words(option).words("lab true").run();
        session.code(125).stdout("").stderr_contains(words).stderr_contains("\n  try: ");
    }
}
