//! 01.2: process numbers (pid_namespaces(7)), and the /proc that belongs to them.

use std::fs::metadata;
use std::os::unix::fs::MetadataExt;

use testkit::host;

use super::Found;
use super::subject::{Subject, said};
use crate::grade::Verdict;

pub(crate) fn namespace(subject: &Subject) -> Found {
    let (_container, pid) = subject.sleeper(subject.run(""))?;
    let numbers = host::ns_pids(pid);
    let evidence = format!("/proc/{pid}/status on the host: NSpid {numbers:?}");
    match numbers[..] {
        [_, .., 1] => Ok(Verdict::pass("a number on the host, and 1 inside", &evidence)),
        [_] => {
            let help = "the flag for clone3(2) is CLONE_NEWPID; with unshare(2) only later children are inside";
            Ok(Verdict::fail("one number: it has no PID namespace of its own", &evidence, help))
        }
        _ => {
            let help = "the first process that is made in the namespace is 1: execute the command in that one";
            Ok(Verdict::fail("inside, the command is not process 1", &evidence, help))
        }
    }
}

pub(crate) fn proc(subject: &Subject) -> Found {
    let session = subject.run("").words("/probe cat /proc/self/status").run();
    if !session.status().success() {
        let help =
            "the root has a directory /proc and nothing in it: mount a new proc file system there";
        return Ok(Verdict::fail("inside, /proc cannot be read", &said(&session), help));
    }
    let status = session.text();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or("").trim();
    let (_container, pid) = subject.sleeper(subject.run(""))?;
    let device = |path: &str| metadata(path).map(|about| about.dev()).ok();
    let (theirs, ours) = (device(&format!("/proc/{pid}/root/proc")), device("/proc"));
    let evidence = format!(
        "/proc/self/status inside: NSpid {numbers:?}; device of /proc inside {theirs:x?}, on the host {ours:x?}"
    );
    // Every mount of proc is a file system of its own (since Linux 5.8); a bound one is the same again.
    if theirs == ours {
        let help = "proc shows the PID namespace of whoever mounted it: bound from the host, it shows the host; mount a \
                    new one, in the child";
        return Ok(Verdict::fail("this /proc is the host's", &evidence, help));
    }
    // A file of proc lists the namespaces from that of its mount downwards.
    if numbers.split_whitespace().count() != 1 {
        let help = "proc shows the PID namespace of whoever mounts it: leave that to the child";
        return Ok(Verdict::fail("this /proc belongs to another PID namespace", &evidence, help));
    }
    Ok(Verdict::pass("a /proc of the command's own namespace", &evidence))
}
