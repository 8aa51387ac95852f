//! 02.2: memory and swap (admin-guide/cgroup-v2, "Memory"; admin-guide/cgroup-v1/memory).

use testkit::program;

use super::Found;
use super::group::{by_version, number, read};
use super::subject::{NOT_RUN, Subject, said};
use crate::grade::Verdict;

const MIB: u64 = 1 << 20;

/// Joins the group of $1 and becomes the rest.
const INSIDE: &str = r#"echo 0 > "$1"; shift; exec "$@""#;

const WRITE: &str = "write the bytes into memory.max (version 2) or memory.limit_in_bytes (version 1): 32m is 33554432. Memory \
                     and swap together come after that: version 1 keeps them at or above it (EINVAL)";

pub(crate) fn memory(subject: &Subject) -> Found {
    // It waits at its gate: whatever has to be done to it has been done when it eats.
    let mut contained = subject.contained("-m 32m", "gate eat 128M").map_err(hindered)?;
    let group = contained.with("memory")?.clone();
    let limit = by_version(&group, "memory.limit_in_bytes", "memory.max");
    let events = by_version(&group, "memory.oom_control", "memory.events");
    let peak = by_version(&group, "memory.max_usage_in_bytes", "memory.peak");

    // The first one to eat is ours. The container's own stays, and with it the group and its counters.
    let before = number(&group, events, "oom_kill").unwrap_or(0);
    let entry = group.directory.join(by_version(&group, "tasks", "cgroup.procs"));
    let eater = program("sh").args(["-c", INSIDE, "sh"]).arg(entry);
    let session = eater.arg(subject.root.at("/probe")).words("eat 128M").run();
    let kills = number(&group, events, "oom_kill").unwrap_or(0) - before;
    let most = number(&group, peak, "").unwrap_or(0);
    let evidence = format!(
        "{limit} is {:?}; a process in {} that took 128 MiB: {}; oom_kill {kills}, {peak} {most}",
        read(&group, limit).unwrap_or_default(),
        group.directory.display(),
        session.status()
    );
    if kills == 0 {
        return Ok(Verdict::fail("nobody is killed for want of memory", &evidence, WRITE));
    }
    if most > 32 * MIB {
        let help = "the unit is bytes, and m means 1048576 of them";
        return Ok(Verdict::fail("it may use more than was said", &evidence, help));
    }
    if kills > 1 {
        let help = "one process was too large, and one had to go";
        return Ok(Verdict::fail("more than one process was killed", &evidence, help));
    }
    contained.running.write("go\n");
    let session = contained.running.wait();
    let evidence = format!("{evidence}; then the command did the same: {}", said(&session));
    if session.status().code() != Some(128 + 9) {
        let help = "who needs more than there is, is killed by SIGKILL: 128+9";
        return Ok(Verdict::fail("not 137 for a command that was killed", &evidence, help));
    }
    Ok(Verdict::pass("who takes 128 MiB is killed: oom_kill 1, exit 137", &evidence))
}

pub(crate) fn swap(subject: &Subject) -> Found {
    let contained = subject.contained("-m 32m --memory-swap 96m", "sleep 600")?;
    let group = contained.with("memory")?;
    let file = by_version(group, "memory.memsw.limit_in_bytes", "memory.swap.max");
    let expected = by_version(group, 96 * MIB, 64 * MIB);
    let Some(found) = read(group, file) else {
        let remedy = "boot with swapaccount=1 on the kernel's command line";
        return Ok(Verdict::skip(&format!("this kernel does not count swap: no {file}"), remedy));
    };
    let evidence = format!("{} is {found:?}", group.directory.join(file).display());
    if found != expected.to_string() {
        let help = "--memory-swap is memory and swap together; so is memory.memsw.limit_in_bytes of version 1, but \
                    memory.swap.max of version 2 is swap alone";
        return Ok(Verdict::fail(&format!("not {expected}"), &evidence, help));
    }
    Ok(Verdict::pass("64 MiB of swap beside 32 MiB of memory", &evidence))
}

/// In version 1, a limit for memory and swap together is refused where there is none for memory.
fn hindered(verdict: Verdict) -> Verdict {
    if verdict.observed == NOT_RUN { Verdict { help: WRITE.into(), ..verdict } } else { verdict }
}
