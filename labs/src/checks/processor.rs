//! 02.3: processors: how much of them, and which (admin-guide/cgroup-v2, "CPU" and "Cpuset"; scheduler/sched-bwc).

use std::time::{Duration, Instant};

use testkit::cgroup::Group;
use testkit::host;

use super::Found;
use super::group::{Contained, number, read};
use super::subject::Subject;
use crate::grade::Verdict;

/// `--cpus 0.2`: 20 ms of each period of 100 ms.
const SHARE: f64 = 0.2;

/// What may be used beyond that: of the periods at both ends a whole quota each, and what processors had been given before.
const SLACK: Duration = Duration::from_millis(100);

/// So many periods have to end in waiting.
const PERIODS: u64 = 5;

/// For a machine that does much else: a share that is not used up is never waited for.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) fn quota(subject: &Subject) -> Found {
    let contained = subject.contained("--cpus 0.2", "spin")?;
    let group = contained.with("cpu")?;
    let counter = counter(&contained)?;
    let throttled = || number(group, "cpu.stat", "nr_throttled").unwrap_or(0);
    let (start, used_before, throttled_before) = (Instant::now(), used(counter), throttled());
    loop {
        let (used, waits) = (used(counter) - used_before, throttled() - throttled_before);
        let elapsed = start.elapsed();
        let settings = read(group, if group.version == 1 { "cpu.cfs_quota_us" } else { "cpu.max" });
        let evidence = format!(
            "{}: quota {:?}; in {} ms it used {} ms, and nr_throttled grew by {waits}",
            group.directory.display(),
            settings.unwrap_or_default(),
            elapsed.as_millis(),
            used.as_millis()
        );
        if used > elapsed.mul_f64(SHARE) + SLACK {
            let help = "0.2 processors are 20000 of every 100000 µs: cpu.max \"20000 100000\" in version 2, \
                        cpu.cfs_quota_us and cpu.cfs_period_us in version 1";
            return Ok(Verdict::fail("it uses more than its quota", &evidence, help));
        }
        if waits >= PERIODS {
            return Ok(Verdict::pass("it is throttled, and stays within its quota", &evidence));
        }
        if elapsed > PATIENCE {
            let help = "a busy loop reaches its quota in every period, and then has to wait: is there one at all?";
            return Ok(Verdict::fail("it is never throttled", &evidence, help));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The group that counts processor time: version 2 does in every group, with a controller or without.
fn counter(contained: &Contained) -> Result<&Group, Verdict> {
    match contained.core() {
        Ok(core) if core.version == 2 => Ok(core),
        _ => contained.with("cpuacct"),
    }
}

fn used(group: &Group) -> Duration {
    match number(group, "cpuacct.usage", "") {
        Some(nanoseconds) => Duration::from_nanos(nanoseconds),
        None => Duration::from_micros(number(group, "cpu.stat", "usage_usec").unwrap_or(0)),
    }
}

pub(crate) fn cpuset(subject: &Subject) -> Found {
    let own = allowed(std::process::id() as i32);
    let last = own.rsplit([',', '-']).next().unwrap_or("");
    if last == own {
        return Ok(Verdict::skip(
            "there is one processor to choose from",
            "use a machine with two",
        ));
    }
    let contained = subject.contained(&format!("--cpuset-cpus {last}"), "sleep 600")?;
    contained.with("cpuset")?;
    let theirs = allowed(contained.pid);
    let evidence =
        format!("Cpus_allowed_list of process {} is {theirs:?}, ours {own:?}", contained.pid);
    if theirs != last {
        let help = "cpuset.cpus takes the list as it is; in version 1 a new group has no memory nodes and can take no \
                    process before it has some";
        return Ok(Verdict::fail("it may run on other processors, too", &evidence, help));
    }
    Ok(Verdict::pass("it may run on that processor alone", &evidence))
}

fn allowed(pid: i32) -> String {
    host::status(pid, "Cpus_allowed_list").unwrap_or_default()
}
