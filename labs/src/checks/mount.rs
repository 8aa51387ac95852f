//! 01.3: mounts (mount_namespaces(7)), on a host that shares its mounts, as most do.

use testkit::host;

use super::Found;
use super::subject::{Mounts, Subject, said};
use crate::grade::Verdict;

/// A host whose mounts are shared; it waits before and after, so that its table can be read.
const SHARED_HOST: &str = r#"echo ready; read go; "$@" >&2; echo ended=$?; read end"#;

pub(crate) fn private(subject: &Subject) -> Found {
    let shared = || subject.binary(Mounts::Shared).arg("run").arg(subject.root.path());
    let (container, pid) = subject.sleeper(shared()).map_err(hindered)?;
    let (theirs, ours) = (host::namespace(pid, "mnt"), host::namespace(container.pid(), "mnt"));
    let evidence = format!("/proc/{pid}/ns/mnt is mnt:[{theirs}], the host's mnt:[{ours}]");
    if theirs == ours {
        let help = "the flag for clone3(2) is CLONE_NEWNS: without it, every mount is made in the host's table";
        return Ok(Verdict::fail("the command is in the host's mount namespace", &evidence, help));
    }
    let linked: Vec<String> = host::mounts(pid)
        .into_iter()
        .filter(|mount| !mount.propagation.is_empty())
        .map(|mount| format!("{} {}", mount.point, mount.propagation.join(" ")))
        .collect();
    let evidence = format!("{evidence}; not private in /proc/{pid}/mountinfo: {linked:?}");
    if !linked.is_empty() {
        let help = "a namespace begins as a copy whose mounts are peers of the host's: first make every mount private, \
                    and with AT_RECURSIVE: those below count, too";
        return Ok(Verdict::fail("mounts inside are linked with the host's", &evidence, help));
    }
    drop(container);
    the_host_sees_nothing(subject, &evidence)
}

/// A mount that the command makes, and whatever was made to start it, is not in the host's table.
fn the_host_sees_nothing(subject: &Subject, evidence: &str) -> Found {
    let run = subject.plain().arg("run").arg(subject.root.path());
    let run = run.words("/probe mount /probe").arg(subject.command());
    let machine = run.within(SHARED_HOST).under(Mounts::Shared.unshare());
    let mut machine = machine.open_stdin().spawn();
    machine.wait_for_line("ready");
    let before = host::mounts(machine.pid());
    machine.write("go\n");
    let ended = machine.wait_for_line("ended=");
    let after = host::mounts(machine.pid());
    machine.write("end\n");
    let session = machine.wait();
    let evidence =
        format!("{evidence}; the host has {} mounts, before {}", after.len(), before.len());
    if before != after {
        let help = "make every mount private before the first one is made, and with AT_RECURSIVE: those below count, too";
        return Ok(Verdict::fail("what is mounted inside appears on the host", &evidence, help));
    }
    if ended != "ended=0" {
        let evidence = said(&session);
        let help = "root in the container may mount what it likes there: the check only looks where it appears";
        return Ok(Verdict::fail("the command could not mount", &evidence, help));
    }
    Ok(Verdict::pass("a namespace of its own, linked with nobody's", &evidence))
}

/// What fails on a host with shared mounts mostly fails for that reason.
fn hindered(verdict: Verdict) -> Verdict {
    let help = "where mounts are shared, pivot_root(2) says EINVAL, and a mount over / would be seen by all: \
                make every mount private before anything else";
    Verdict { help: help.into(), ..verdict }
}
