//! 01.6: exit codes, a second command in a container, and the duty of process 1.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::host::{self, NAMESPACES};

use super::Found;
use super::subject::{Mounts, Subject, not_run, said};
use crate::grade::Verdict;

pub(crate) fn exit(subject: &Subject) -> Found {
    let session = subject.run("").words("/probe exit 42").run();
    if session.status().code() != Some(42) {
        let help = "the exit code of `run` is the command's own";
        return Ok(Verdict::fail("not the command's exit code, 42", &said(&session), help));
    }
    let (container, pid) = subject.sleeper(subject.run(""))?;
    // It may have ended by itself, which the exit code tells.
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    let session = container.wait();
    let evidence = format!("42 for 42; after SIGKILL {}", said(&session));
    if session.status().code() != Some(128 + 9) {
        let help =
            "a command that signal n ended has no exit code: 128+n stands for it, as in a shell";
        return Ok(Verdict::fail("not 137 for a command that SIGKILL ended", &evidence, help));
    }
    Ok(Verdict::pass("42 for exit 42, 137 after SIGKILL", &evidence))
}

pub(crate) fn exec(subject: &Subject) -> Found {
    let (_container, first) = subject.sleeper(subject.run(""))?;
    let apart = |kind: &str| host::namespace(first, kind) != host::namespace("self", kind);
    if !NAMESPACES.iter().any(|kind| apart(kind)) {
        let help = "first let `run` make namespaces: tasks 1 to 5";
        return Ok(Verdict::fail("there is no container to join", "all is the host's", help));
    }
    let mut second = subject.binary(Mounts::Private).arg("exec").arg(first.to_string());
    second = second.arg(subject.path_anywhere()).words("sleep 600");
    let mut second = second.spawn();
    let Some(joined) = subject.wait(|| second.is_running(), &[first]) else {
        let help = "setns(2) with the pidfd of the process and the flags of its namespaces: the PID namespace takes in \
                    only later children, so join it before the clone; the mount namespace brings its root along";
        return Ok(Verdict { help: help.into(), ..not_run(&second.wait()) });
    };
    let elsewhere: Vec<&str> = NAMESPACES
        .into_iter()
        .filter(|kind| host::namespace(joined, kind) != host::namespace(first, kind))
        .collect();
    let evidence = format!(
        "/proc/{joined}/ns beside /proc/{first}/ns: different are {elsewhere:?}; NSpid {:?}",
        host::ns_pids(joined)
    );
    if elsewhere.is_empty() {
        return Ok(Verdict::pass(
            "the second command is in all five namespaces of the first",
            &evidence,
        ));
    }
    let help = if elsewhere == ["pid"] {
        "setns(2) into a PID namespace takes in only children that are made later: join it before the clone"
    } else {
        "setns(2) takes the flags of all namespaces at once, with a pidfd"
    };
    Ok(Verdict::fail("the second command is elsewhere", &evidence, help))
}

pub(crate) fn orphans(subject: &Subject) -> Found {
    let session = subject.run("--init").words("/probe orphans 5").run();
    if !session.status().success() {
        let help =
            "process 1 has to collect whoever ends, and to go on until one of them is the command";
        return Ok(Verdict { help: help.into(), ..not_run(&session) });
    }
    let evidence = format!("`/probe orphans 5` below --init: {:?}", session.trimmed());
    if session.text().lines().any(|line| line == "zombies=0") {
        return Ok(Verdict::pass("five orphans ended, and no zombie is left", &evidence));
    }
    let help = "orphans become children of process 1, which has to wait for any child, not only for its own command";
    Ok(Verdict::fail("orphans stay as zombies", &evidence, help))
}
