//! The program from outside: each command's output and exit code, as root and as anyone else.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{probe, program, run};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

/// No process has this number: the kernel's own limit is 2^22.
const NOBODY: &str = "2147483647";

/// As an ordinary user, whoever runs the tests.
fn unprivileged(mut command: Command) -> Command {
    if geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    command
}

fn refused(command: &mut Command) -> String {
    let (code, output, errors) = run(command);
    assert_eq!((code, output.as_str()), (Some(1), ""), "{errors}");
    errors
}

#[test]
fn the_program_is_small_and_needs_no_loader() {
    let program = probe::PROGRAM;
    assert!(program.len() < 40_000, "{} bytes", program.len());
    assert_eq!(&program[..5], b"\x7fELF\x02");
    let half = |at: usize| usize::from(u16::from_le_bytes([program[at], program[at + 1]]));
    // The program headers, elf(5): their place, size and number.
    let (place, size, number) = (half(32), half(54), half(56));
    let types: Vec<usize> = (0..number).map(|index| half(place + index * size)).collect();
    let (load, dynamic, interpreter) = (1, 2, 3);
    assert!(types.contains(&load), "{types:?}");
    assert!(!types.contains(&dynamic) && !types.contains(&interpreter), "{types:?}");
}

#[test]
fn the_id_is_a_file_name() {
    assert_eq!(probe::ID.len(), 16);
    assert!(probe::ID.bytes().all(|byte| byte.is_ascii_hexdigit()), "{}", probe::ID);
}

#[test]
fn report_says_what_proc_says() {
    let mut command = probe("report");
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped());
    let child = command.spawn().expect("the program starts");
    let pid = child.id();
    let output = child.wait_with_output().expect("it ends");
    let report = String::from_utf8(output.stdout).expect("UTF-8");
    let own = |name: &str| {
        let target = fs::read_link(format!("/proc/self/ns/{name}")).expect("a namespace");
        format!("ns/{name}={}", target.display())
    };
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").expect("a host name");
    for line in [
        format!("pid={pid}"),
        format!("ppid={}", std::process::id()),
        format!("euid={}", geteuid()),
        format!("hostname={}", hostname.trim()),
        format!("session={}", nix::unistd::getsid(None).expect("a session")),
        "cwd=/".to_string(),
        "stdin=/dev/null".to_string(),
        "tty=no".to_string(),
        own("uts"),
        own("pid"),
        own("mnt"),
        own("user"),
    ] {
        assert!(report.lines().any(|found| found == line), "no {line} in\n{report}");
    }
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn report_sees_a_terminal_and_its_size() {
    let size = Winsize { ws_row: 31, ws_col: 97, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(&size, None).expect("a terminal");
    let (_, report, _) = run(probe("report").stdin(terminal.slave));
    assert!(report.contains("\ntty=yes 31x97\n"), "{report}");
    assert!(report.contains("\nstdin=/dev/pts/"), "{report}");
}

#[test]
fn exit_codes_pass_through() {
    assert_eq!(run(&mut probe("true")).0, Some(0));
    assert_eq!(run(&mut probe("exit 7")).0, Some(7));
    assert_eq!(probe("raise 15").status().expect("it starts").signal(), Some(15));
}

#[test]
fn a_gate_opens_with_a_line_and_at_the_end_of_input() {
    assert_eq!(run(probe("gate exit 7").stdin(Stdio::null())).0, Some(7));
    let mut child = probe("gate exit 8").stdin(Stdio::piped()).spawn().expect("it starts");
    assert_eq!(child.try_wait().expect("the child is ours"), None);
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(b"go\n").expect("it reads");
    assert_eq!(child.wait().expect("the child is ours").code(), Some(8));
}

#[test]
fn misuse_shows_the_usage() {
    for arguments in ["", "nonsense", "exit", "exit 256", "kill -1", "true 1 2 3 4", "ipc find 0"] {
        let (code, output, errors) = run(&mut probe(arguments));
        assert_eq!((code, output.as_str()), (Some(2), ""), "{arguments}");
        assert!(errors.starts_with("usage: probe COMMAND"), "{arguments}: {errors}");
    }
}

#[test]
fn only_the_first_process_halts_its_machine() {
    // Without privilege: if this broke, the kernel would still refuse.
    assert_eq!(run(&mut unprivileged(probe("halt"))).0, Some(2));
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let status = probe("report").stdout(full).stderr(Stdio::null()).status();
    assert_eq!(status.expect("it starts").code(), Some(1));
}

/// The program with `signals`, and its lines from `ready` on.
fn listening(arguments: &str) -> (Child, impl FnMut() -> String) {
    let mut child = probe(arguments).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next = move || lines.next().map_or(String::new(), |line| line.expect("UTF-8"));
    assert_eq!(next(), "ready");
    (child, next)
}

#[test]
fn signals_are_named_as_they_arrive() {
    use Signal::*;
    let (mut child, mut next) = listening("signals");
    for (signal, name) in [
        (SIGHUP, "HUP"),
        (SIGINT, "INT"),
        (SIGQUIT, "QUIT"),
        (SIGUSR1, "USR1"),
        (SIGUSR2, "USR2"),
        (SIGWINCH, "WINCH"),
        (SIGCONT, "CONT"),
        (SIGTERM, "TERM"),
    ] {
        kill(Pid::from_raw(child.id() as i32), signal).expect("it lives");
        assert_eq!(next(), name);
    }
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn signals_can_outlive_term() {
    let (mut child, mut next) = listening("signals --stay");
    for _ in 0..2 {
        kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).expect("it lives");
        assert_eq!(next(), "TERM");
    }
    child.kill().expect("it lives");
    assert_eq!(child.wait().expect("it ends").signal(), Some(9));
}

#[test]
fn kill_reaches_its_victim() {
    for (arguments, signal) in [("", 9), ("15", 15)] {
        let mut victim = probe("sleep 60").spawn().expect("it starts");
        assert_eq!(run(&mut probe(&format!("kill {} {arguments}", victim.id()))).0, Some(0));
        assert_eq!(victim.wait().expect("it ends").signal(), Some(signal));
    }
}

#[test]
fn refusals_name_the_call_and_the_errno() {
    assert_eq!(
        refused(&mut probe(&format!("kill {NOBODY}"))),
        format!("probe: kill {NOBODY}: ESRCH\n")
    );
    assert_eq!(refused(&mut probe("cat /no/such")), "probe: open /no/such: ENOENT\n");
    for (arguments, error) in [
        ("hostname pwned", "sethostname pwned"),
        ("mount /proc /dev", "mount /dev"),
        ("umount /proc", "umount /proc"),
    ] {
        let errors = refused(&mut unprivileged(probe(arguments)));
        assert_eq!(errors, format!("probe: {error}: EPERM\n"));
    }
    assert!(refused(&mut probe(&format!("ptrace {NOBODY}"))).starts_with("probe: ptrace "));
}

#[test]
fn escape_is_refused_without_privilege() {
    let errors = refused(&mut unprivileged(probe("escape")));
    let expected = ["EACCES\n", "EPERM\n", "EROFS\n"];
    assert!(expected.iter().any(|errno| errors.ends_with(errno)), "{errors}");
    assert!(!fs::exists("/probe-escape").expect("the root is readable"));
}

#[test]
fn descriptors_are_listed_without_the_list() {
    let (code, output, _) = run(probe("fds").stdin(program()));
    assert_eq!(code, Some(0));
    assert!(output.starts_with("0 -> ") && output.contains("probe-test-"), "{output}");
    assert!(output.contains("\n1 -> pipe:["), "{output}");
    assert!(!output.contains("/fd\n"), "{output}");
}

#[test]
fn interfaces_include_the_loopback() {
    let (code, output, _) = run(&mut probe("interfaces"));
    let flags = fs::read_to_string("/sys/class/net/lo/flags").expect("lo's flags");
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).expect("a number");
    let line = if flags & 1 == 1 { "lo up" } else { "lo down" };
    assert!(code == Some(0) && output.lines().any(|found| found == line), "no {line}: {output}");
}

/// Both kinds of queue: made once, found, removed, and then not found.
fn queue_lives_and_dies(kind: &str, name: &str) {
    let say = |verb: &str| run(&mut probe(&format!("{kind} {verb} {name}")));
    let (code, created, errors) = say("create");
    assert_eq!(code, Some(0), "{errors}");
    let again = say("create");
    let found = say("find");
    assert_eq!(say("remove").0, Some(0));
    let gone = say("find");
    assert!(again.0 == Some(1) && again.2.ends_with(": EEXIST\n"), "{again:?}");
    assert_eq!((found.0, found.1), (Some(0), created));
    assert!(gone.0 == Some(1) && gone.2.ends_with(": ENOENT\n"), "{gone:?}");
}

#[test]
fn message_queues_are_made_found_and_removed() {
    let own = std::process::id();
    queue_lives_and_dies("ipc", &(own + 0x5052_0000).to_string());
    queue_lives_and_dies("queue", &format!("/probe-test-{own}"));
}

/// prlimit(1) sets the limit and becomes the program, which it finds as its standard input.
fn limited(limit: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("prlimit");
    command.args([limit, "/proc/self/fd/0"]).args(arguments).stdin(program());
    // Root's processes are not counted: a fork bomb of root's would not meet the limit.
    unprivileged(command)
}

#[test]
fn eat_takes_what_the_limit_leaves() {
    assert_eq!(run(&mut probe("eat 3M")).1, "ate=3145728\n");
    assert_eq!(refused(&mut limited("--as=50000000", &["eat", "64M"])), "probe: mmap: ENOMEM\n");
}

#[test]
fn a_fork_bomb_ends_at_its_limit() {
    let (code, output, errors) = run(&mut limited("--nproc=20", &["forkbomb"]));
    assert_eq!(code, Some(0), "{errors}");
    let (first, rest) = output.split_once('\n').expect("two lines");
    let count = first.strip_prefix("processes=").expect("a count").parse::<u32>();
    assert!(count.expect("a number") < 20, "{output}");
    assert_eq!(rest, "EAGAIN\n");
}

#[test]
fn sleep_waits_and_spin_works() {
    let start = Instant::now();
    let mut sleeping = probe("sleep 1").spawn().expect("it starts");
    assert_eq!(run(&mut probe("spin 1")).0, Some(0));
    assert_eq!(sleeping.wait().expect("it ends").code(), Some(0));
    assert!(start.elapsed() >= Duration::from_secs(1));
}
