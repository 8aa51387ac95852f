//! The command as a process: its exit code, the signals that reach it, and its standard streams.

use nix::sys::signal::Signal;
use testkit::{Program, host};

use crate::{minidock, sleeper};

#[test]
fn the_exit_code_is_the_commands_own() {
    for code in 0..=255 {
        minidock("run lab /probe exit").arg(code.to_string()).run().code(code).stderr("");
    }
}

#[test]
fn a_death_by_signal_is_128_and_its_number() {
    for signal in [1, 2, 3, 6, 8, 9, 11, 13, 14, 15, 34, 64] {
        // As process 1 the command would be deaf to its own signals; below an init it is not.
        let raise = |options: &str| {
            minidock("run").words(options).words("lab /probe raise").arg(signal.to_string())
        };
        raise("--init").limit(libc::RLIMIT_CORE, 0).run().code(128 + signal);
        raise("--pid host").limit(libc::RLIMIT_CORE, 0).run().code(128 + signal);
    }
    minidock("run lab /probe raise 15").run().code(1).stderr_contains("PID 1");
}

#[test]
fn a_command_that_is_killed_from_outside_is_137() {
    for options in ["", "--init"] {
        let container = sleeper(options);
        let pid = nix::unistd::Pid::from_raw(container.container_pid());
        nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
        container.wait().code(137);
    }
}

#[test]
fn signals_reach_the_command() {
    for options in ["", "--init", "-i", "--pid host"] {
        let container = minidock("run").words(options).words("lab /probe signals").spawn();
        container.wait_for_line("ready");
        let signals = [
            (Signal::SIGHUP, "HUP"),
            (Signal::SIGINT, "INT"),
            (Signal::SIGQUIT, "QUIT"),
            (Signal::SIGUSR1, "USR1"),
            (Signal::SIGUSR2, "USR2"),
            (Signal::SIGTERM, "TERM"),
        ];
        for (signal, name) in signals {
            container.signal(signal);
            container.wait_for_line(name);
        }
        container.wait().success().stdout("ready\nHUP\nINT\nQUIT\nUSR1\nUSR2\nTERM\n");
    }
}

#[test]
fn an_init_collects_orphans() {
    minidock("run --init lab /probe orphans 20").run().success().stdout("orphans=20\nzombies=0\n");
    // The break-it of the chapter: without one, they stay.
    minidock("run lab /probe orphans 20").run().success().stdout("orphans=20\nzombies=20\n");
}

#[test]
fn an_init_is_process_1_under_another_name() {
    let session = minidock("run --init lab").sh("echo $$ $PPID; cat /proc/1/comm").run();
    session.success().stdout("2 1\nminidock-init\n");
}

#[test]
fn the_container_ends_with_its_command_whoever_else_is_left() {
    for options in ["", "--init"] {
        let token = testkit::random_token();
        // The daemon lets go of the streams; the rest of its world goes with process 1.
        let script = "(exec sh -c 'sleep 600; :' $0 < /dev/null > /dev/null 2>&1) & exit 3";
        minidock("run").words(options).words("lab").sh(script).arg(&token).run().code(3);
        assert!(host::with_token(&token).is_empty());
    }
}

#[test]
fn standard_input_is_passed_on_only_when_asked_for() {
    minidock("run -i lab cat").stdin("some text\n").run().success().stdout("some text\n");
    minidock("run lab cat").stdin("some text\n").run().success().stdout("");
    minidock("run lab readlink /proc/self/fd/0")
        .stdin("text")
        .run()
        .success()
        .stdout("/dev/null\n");
    minidock("run --init -i lab cat").stdin("some text\n").run().success().stdout("some text\n");
}

#[test]
fn an_interactive_command_sees_the_end_of_its_input() {
    let mut cat = minidock("run -i lab cat").open_stdin().spawn();
    cat.write("first\n");
    assert_eq!(cat.wait_for_line("first"), "first");
    assert!(cat.is_running());
    cat.close_stdin();
    cat.wait().success().stdout("first\n");
}

#[test]
fn output_and_errors_are_kept_apart() {
    minidock("run lab")
        .sh("echo out; echo err >&2; exit 4")
        .run()
        .code(4)
        .stdout("out\n")
        .stderr("err\n");
}

#[test]
fn a_caller_without_standard_streams_is_served() {
    let without = |descriptors: &[i32], program: Program| {
        descriptors.iter().fold(program, |program, &descriptor| program.close(descriptor)).run()
    };
    without(&[0], minidock("run lab /probe true")).success();
    without(&[0], minidock("run -i lab cat")).success().stdout("");
    without(&[1], minidock("run lab /probe true")).success();
    without(&[0, 1, 2], minidock("run lab /probe exit 7")).code(7);
    // What is not there is not replaced by something of ours, such as one end of a pipe.
    for options in ["", "-i"] {
        let script = "for n in 0 1; do link=$(readlink /proc/$$/fd/$n); echo $link >&2; done";
        let shown = without(&[0, 1], minidock("run --rm").words(options).words("lab").sh(script));
        shown.success().stderr("/dev/null\n/dev/null\n");
    }
}

#[test]
fn big_streams_arrive_whole() {
    let text: Vec<u8> =
        (0..8 << 20).flat_map(|number: u64| (number * 0x9e37_79b9).to_le_bytes()).collect();
    assert_eq!(text.len(), 64 << 20);
    let echoed = minidock("run -i lab cat").stdin(&text).run();
    assert!(echoed.success().bytes() == text, "{} of {} bytes", echoed.bytes().len(), text.len());
}

#[test]
fn the_longest_argument_is_passed_on() {
    // execve(2): one argument has at most 128 KiB, its closing zero included.
    let longest = "a".repeat(128 * 1024 - 1);
    minidock("run lab").sh("echo ${#0}").arg(&longest).run().success().stdout("131071\n");
    minidock("run --init lab").sh("echo ${#0}").arg(&longest).run().success().stdout("131071\n");
    let many = vec!["b".repeat(1000); 1500];
    minidock("run lab").sh("echo $#").arg("sh").args(&many).run().success().stdout("1500\n");
}

#[test]
fn more_than_execve_takes_is_refused_with_its_reason() {
    // The kernel gives arguments and environment a quarter of the stack's limit: here 128 KiB together.
    let directory = testkit::scratch();
    let file = directory.path().join("env");
    let lines: String =
        (0..2000).map(|number| format!("VARIABLE_{number}={}\n", "c".repeat(100))).collect();
    std::fs::write(&file, lines).unwrap();
    minidock("run --env-file")
        .arg(&file)
        .words("lab true")
        .limit(libc::RLIMIT_STACK, 512 * 1024)
        .run()
        .code(126)
        .stderr_contains("E2BIG")
        .stderr_contains("  try: ");
}

#[test]
fn a_child_that_is_killed_on_its_way_has_not_run_the_command() {
    let Some(_) = testkit::peer("strace", "apt install strace") else { return };
    for options in ["", "--init"] {
        let strace = "strace -f -o /dev/null -e trace=pivot_root -e inject=pivot_root:signal=KILL";
        let killed = minidock("run").words(options).words("lab /probe true").under(strace).run();
        killed.code(125).stderr_contains("before it could become the command");
    }
}
