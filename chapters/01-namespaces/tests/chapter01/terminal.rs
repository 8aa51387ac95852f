//! `-t`: the command has a terminal of the container's own, and the caller's comes back as it was, whatever happens.

use nix::sys::signal::{Signal, kill};
use nix::sys::termios::LocalFlags;
use nix::unistd::Pid;
use testkit::{Terminal, host};

use crate::{minidock, sleeping_below};

/// A shell in a container, on a terminal of 24 rows and 80 columns, at its first prompt.
fn shell() -> Terminal {
    let mut shell = minidock("run -it -e PS1=ready> lab sh").on_terminal(24, 80);
    shell.read_until("ready>");
    shell
}

#[test]
fn a_shell_runs_on_the_containers_first_terminal() {
    let mut shell = shell();
    shell.write("tty; test -t 0 -a -t 1 -a -t 2 && echo all $((1+2)); ls -l /dev/console\r");
    shell.read_until("/dev/pts/0");
    shell.read_until("all 3");
    shell.write("exit $((6*7))\r");
    assert_eq!(shell.wait().code(), Some(42));
}

#[test]
fn the_size_is_the_callers_and_follows_it() {
    let mut shell = shell();
    shell.write("stty size\r");
    shell.read_until("24 80");
    shell.read_until("ready>");
    shell.resize(31, 97);
    // The size travels by way of a signal to the command line, and the question may come first.
    while !shell.screen().contains("31 97") {
        shell.write("stty size\r");
        shell.read_until("ready>");
    }
    let mut command = minidock("run -it lab /probe signals").on_terminal(24, 80);
    command.read_until("ready");
    command.resize(10, 40);
    command.read_until("WINCH");
}

#[test]
fn control_keys_reach_the_foreground() {
    let mut shell = shell();
    shell.write("sleep 600\r");
    sleeping_below(shell.pid());
    shell.write("\x03");
    // An interrupted shell forgets the rest of its line.
    shell.read_until("ready>");
    shell.write("echo code=$?\r");
    shell.read_until("code=130");
    shell.write("cat; echo end=$?\r");
    shell.write("typed\r");
    // Once as the echo of what is typed, once from cat.
    shell.read_until("typed");
    shell.read_until("typed");
    shell.write("\x04");
    shell.read_until("end=0");
    shell.write("\x04");
    assert_eq!(shell.wait().code(), Some(0));
}

#[test]
fn much_output_arrives_in_order() {
    let mut numbers = minidock("run -it lab seq 1 20000").on_terminal(24, 80);
    assert_eq!(numbers.wait().code(), Some(0));
    let expected: String = (1..=20000).map(|number| format!("{number}\r\n")).collect();
    assert!(numbers.screen() == expected, "{} of {} bytes", numbers.screen().len(), expected.len());
}

#[test]
fn the_type_of_the_terminal_is_dockers() {
    let mut echo =
        minidock("run -t lab").sh("echo type=$TERM.").env("TERM", "vt220").on_terminal(24, 80);
    echo.read_until("type=xterm.");
    assert_eq!(echo.wait().code(), Some(0));
}

#[test]
fn without_an_option_the_callers_terminal_does_not_come_in() {
    let script = "for n in 0 1 2; do test -t $n && echo terminal $n; done; echo done; cat; (: < /dev/tty) || echo none";
    for options in ["", "-i"] {
        let mut command =
            minidock("run").words(options).words("lab").sh(script).on_terminal(24, 80);
        command.read_until("done");
        command.write("\x04");
        command.read_until("none");
        assert_eq!(command.wait().code(), Some(0));
        assert!(!command.screen().contains("terminal"), "{}", command.screen());
    }
}

#[test]
fn what_is_typed_reaches_an_interactive_command_through_its_pipe() {
    let mut cat = minidock("run -i lab").sh("read line; echo got $line").on_terminal(24, 80);
    cat.write("some words\r");
    cat.read_until("got some words");
    assert_eq!(cat.wait().code(), Some(0));
}

#[test]
fn the_terminal_is_raw_meanwhile_and_restored_after_the_end() {
    let mut command =
        minidock("run -it lab").sh("echo ready; read line; exit 5").on_terminal(24, 80);
    command.read_until("ready");
    let raw = command.settings().local_flags;
    assert!(!raw.intersects(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG), "{raw:?}");
    command.write("\r");
    assert_eq!(command.wait().code(), Some(5));
    let after = command.settings().local_flags;
    assert!(after.contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG), "{after:?}");
}

/// Starts a container from a shell of the host's, which keeps the terminal when the command line dies; ends it in some
/// way, and compares the settings of the line with what they were before.
#[track_caller]
fn is_restored(command: &str, ended: i32, end: impl FnOnce(&mut Terminal, Pid)) {
    let script = "echo $((40+2)); read go; \"$@\"; echo ended=$?; exec sleep 600";
    let mut terminal = minidock(command).within(script).on_terminal(24, 80);
    terminal.read_until("42");
    let before = terminal.settings();
    terminal.write("\r");
    terminal.read_until("ready");
    assert_ne!(terminal.settings(), before, "it is raw while the container runs");
    let command_line = host::descendants(terminal.pid())[0];
    end(&mut terminal, Pid::from_raw(command_line));
    terminal.read_until(&format!("ended={ended}"));
    terminal.wait_for_settings(&before);
}

#[test]
fn it_is_restored_when_the_command_line_is_killed() {
    for options in ["-it", "-it --init"] {
        let command = format!("run --rm {options} lab /probe signals --stay");
        is_restored(&command, 137, |_, pid| kill(pid, Signal::SIGKILL).unwrap());
    }
}

#[test]
fn it_is_restored_when_a_signal_ends_the_command() {
    is_restored("run -it lab /probe signals", 0, |terminal, pid| {
        kill(pid, Signal::SIGUSR1).unwrap();
        terminal.read_until("USR1");
        kill(pid, Signal::SIGTERM).unwrap();
    });
}

#[test]
fn it_is_restored_when_the_command_cannot_be_started() {
    let mut command = minidock("run -it lab no-such-command").on_terminal(24, 80);
    assert_eq!(command.wait().code(), Some(127));
    assert!(command.settings().local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO));
}

#[test]
fn a_terminal_that_is_closed_takes_the_container_along() {
    for (options, words) in [("-it", "sleep 600; sleep 601"), ("", "sleep 600; sleep 601")] {
        let token = testkit::random_token();
        let session = minidock("run --rm").words(options).words("lab sh -c").arg(words).arg(&token);
        let mut terminal = session.on_terminal(24, 80);
        let asleep = || {
            let ours = host::descendants(terminal.pid()).into_iter();
            ours.map(host::cmdline).any(|words| words.is_some_and(|w| w == ["sleep", "600"]))
        };
        testkit::wait_for("sleep", || asleep().then_some(()));
        terminal.hang_up();
        let alive = || host::with_token(&token).into_iter().any(host::is_alive);
        testkit::wait_for("the end of the container", || (!alive()).then_some(()));
    }
}

#[test]
fn a_reader_who_goes_away_stops_nobody() {
    // Nobody tells a terminal's writers that its reader has gone; a full one would stop them for ever.
    let script =
        "\"$MINIDOCK\" run -t lab sh -c 'seq 100000; exit 3' < /dev/null | head -1; echo done";
    let session = testkit::program("sh").args(["-c", script]);
    let session = session.env("MINIDOCK", testkit::binary(1));
    let session = session.env("MINIDOCK_ROOT", testkit::shared_root());
    session.run().success().stdout("1\r\ndone\n");
}
