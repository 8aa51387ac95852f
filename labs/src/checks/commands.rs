//! 02.5: a group of processes as one thing: listed, measured, stopped where it is, and told something.

use std::time::Duration;

use testkit::{Output, host};

use super::Found;
use super::group::{by_version, freeze, is_frozen, number};
use super::subject::{Mounts, Subject, said};
use crate::grade::Verdict;

/// For `kill` to be done.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn ps(subject: &Subject) -> Found {
    let mut contained = subject.contained("", "gate true")?;
    let name = contained.name.clone();
    let session = subject.says("ps");
    let evidence = format!("`ps` while process {} runs: {}", contained.pid, answer(&session));
    if !words(&session).contains(&name) {
        let help = "a container is a directory in a `minidock`, and has a process in it: no other record is needed";
        return Ok(Verdict::fail("`ps` does not list what runs", &evidence, help));
    }
    contained.running.write("go\n");
    contained.running.wait();
    let session = subject.says("ps");
    let evidence = format!("{evidence}; afterwards: {}", answer(&session));
    if words(&session).contains(&name) {
        let help = "what has no process in it does not run";
        return Ok(Verdict::fail("`ps` lists what has ended", &evidence, help));
    }
    Ok(Verdict::pass("`ps` lists it while it runs, and not afterwards", &evidence))
}

pub(crate) fn top(subject: &Subject) -> Found {
    let contained = subject.daemons("", 2)?;
    let session = subject.says(&format!("top {}", contained.name));
    let (processes, listed) = (subject.processes(), words(&session));
    let missing: Vec<&i32> =
        processes.iter().filter(|pid| !listed.contains(&pid.to_string())).collect();
    let evidence = format!("in the group are {processes:?}; `top`: {}", answer(&session));
    if !missing.is_empty() {
        let help = "cgroup.procs of its group has them all, also those in sessions of their own";
        return Ok(Verdict::fail(&format!("`top` lacks {missing:?}"), &evidence, help));
    }
    Ok(Verdict::pass("`top` lists the three processes as the host numbers them", &evidence))
}

pub(crate) fn stats(subject: &Subject) -> Found {
    let contained = subject.daemons("", 2)?;
    let memory = contained.with("memory")?;
    let used = || {
        let file = by_version(memory, "memory.usage_in_bytes", "memory.current");
        let cache = by_version(memory, "total_inactive_file", "inactive_file");
        let all = number(memory, file, "").unwrap_or(0);
        all.saturating_sub(number(memory, "memory.stat", cache).unwrap_or(0)) as f64
    };
    let before = used();
    let session = subject.says(&format!("stats --no-stream --format json {}", contained.name));
    let after = used();
    let row: serde_json::Value = serde_json::from_slice(session.bytes()).unwrap_or_default();
    let field = |name: &str| row[name].as_str().unwrap_or("").to_owned();
    let (shown_memory, shown_pids) = (field("MemUsage"), field("PIDs"));
    let threads =
        |pid: &i32| host::status(*pid, "Threads").and_then(|count| count.parse::<u64>().ok());
    let current: u64 = subject.processes().iter().filter_map(threads).sum();
    let evidence = format!(
        "{}: {before} bytes without inactive cache, afterwards {after}; {current} threads; `stats`: {}",
        memory.directory.display(),
        answer(&session)
    );
    // Four digits are shown, and the kernel's counter goes by batches of pages.
    let (least, most) =
        (before.min(after) * 0.995 - 65_536.0, before.max(after) * 1.005 + 65_536.0);
    let shown = bytes(shown_memory.split(" / ").next().unwrap_or(""));
    if !shown.is_some_and(|shown| shown > 0.0 && (least..=most).contains(&shown)) {
        let help = "memory.current (usage_in_bytes in version 1) less inactive_file (total_inactive_file) of memory.stat";
        return Ok(Verdict::fail("MemUsage is not what the files say", &evidence, help));
    }
    if shown_pids != current.to_string() {
        let help = "pids.current counts threads; without that controller, count the lines of cgroup.threads";
        return Ok(Verdict::fail("PIDs is not what the kernel says", &evidence, help));
    }
    Ok(Verdict::pass("memory and processes as the kernel counts them", &evidence))
}

pub(crate) fn pause(subject: &Subject) -> Found {
    let contained = subject.contained("", "sleep 600")?;
    let core = contained.core()?;
    let paused = subject.says(&format!("pause {}", contained.name));
    let frozen = is_frozen(core);
    let unpaused = subject.says(&format!("unpause {}", contained.name));
    let thawed = !is_frozen(core);
    // Frozen in version 1, it could not even be killed.
    freeze(core, false);
    let evidence = format!(
        "{}: frozen after `pause` {frozen}, after `unpause` {}; they said {}, {}",
        core.directory.display(),
        !thawed,
        said(&paused),
        said(&unpaused)
    );
    if !frozen {
        let help = "1 into cgroup.freeze (version 2), or FROZEN into freezer.state (version 1)";
        return Ok(Verdict::fail("it is not frozen", &evidence, help));
    }
    if !thawed {
        let help = "0 into cgroup.freeze (version 2), or THAWED into freezer.state (version 1)";
        return Ok(Verdict::fail("it stays frozen", &evidence, help));
    }
    Ok(Verdict::pass("frozen 1, and 0 after `unpause`", &evidence))
}

pub(crate) fn kill(subject: &Subject) -> Found {
    let mut contained = subject.contained("", "signals --stay")?;
    contained.running.wait_for_line("ready");
    let sent = subject.says(&format!("kill -s USR1 {}", contained.name));
    let evidence = format!("`kill -s USR1`: {}", said(&sent));
    if !sent.status().success() || !contained.running.is_running() {
        return Ok(not_received(&evidence));
    }
    contained.running.wait_for_line("USR1");
    // It waits until the container is gone, and much longer than we do.
    let mut killer = subject.binary(Mounts::Private).words("kill").arg(&contained.name).spawn();
    let gone = testkit::wait_at_most(PATIENCE, || {
        (!contained.running.is_running() && !killer.is_running()).then_some(())
    });
    let evidence = format!("{evidence}; the command named USR1");
    if gone.is_none() {
        let help = "without -s it is SIGKILL, to every process of the group";
        return Ok(Verdict::fail("it lives on after `kill`", &evidence, help));
    }
    let evidence = format!("{evidence}; `kill`: {}", said(&killer.wait()));
    let session = contained.running.wait();
    if session.status().code() != Some(128 + 9) {
        let evidence = format!("{evidence}; `run`: {}", said(&session));
        return Ok(Verdict::fail("not 137 after `kill`", &evidence, "SIGKILL is 9: 128+9"));
    }
    Ok(Verdict::pass("the signal arrived; after `kill`, 137", &evidence))
}

fn not_received(evidence: &str) -> Verdict {
    let help =
        "the signal goes to the container's first process, which is the oldest one in its group";
    Verdict::fail("the signal did not arrive", evidence, help)
}

fn words(session: &Output) -> Vec<String> {
    session.text().split_whitespace().map(str::to_owned).collect()
}

/// What it printed, and how it ended.
fn answer(session: &Output) -> String {
    let lines: Vec<String> = session.text().lines().map(str::to_owned).collect();
    format!("{lines:?}, {}", said(session))
}

/// `1.5MiB` as a number.
fn bytes(text: &str) -> Option<f64> {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];
    units.iter().find_map(|(unit, power)| {
        let number: f64 = text.trim().strip_suffix(unit)?.parse().ok()?;
        Some(number * f64::from(1_u32 << power))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_writes_them() {
        assert_eq!(bytes("1.5MiB"), Some(1_572_864.0));
        assert_eq!(bytes("512B"), Some(512.0));
        assert_eq!(bytes("--"), None);
    }
}
