//! Each limit stands, with its value, in the file that this kernel has for it.

use testkit::cgroup;

use crate::{SLEEP, container, has_left_nothing, may_limit, minidock, random};

const MIB: u64 = 1 << 20;

/// Memory comes in pages; the kernel rounds down to whole ones.
fn random_mebibytes() -> u64 {
    random(40, 60)
}

#[test]
fn memory() {
    if !may_limit() {
        return;
    }
    let mebibytes = random_mebibytes();
    let one = container(&format!("-m {mebibytes}m"), SLEEP);
    let value = one.value("memory", "memory.limit_in_bytes", "memory.max");
    assert_eq!(value, (mebibytes * MIB).to_string());
    // Twice as much together with swap, as in Docker: as much again in swap.
    let (v1, v2) = (2 * mebibytes * MIB, mebibytes * MIB);
    let group = one.group("memory");
    let (file, expected) = match group.version {
        1 => ("memory.memsw.limit_in_bytes", v1),
        _ => ("memory.swap.max", v2),
    };
    if group.directory.join(file).exists() {
        assert_eq!(group.read(file), expected.to_string(), "{file}");
    }
}

#[test]
fn number_of_processes() {
    if !may_limit() {
        return;
    }
    let most = random(20, 2000);
    let one = container(&format!("--pids-limit {most}"), SLEEP);
    assert_eq!(one.value("pids", "pids.max", "pids.max"), most.to_string());
}

#[test]
fn what_is_not_asked_for_is_not_limited() {
    if !may_limit() {
        return;
    }
    let one = container("", SLEEP);
    let memory = one.value("memory", "memory.limit_in_bytes", "memory.max");
    assert!(memory == "max" || memory.parse::<u64>().unwrap() > 1 << 62, "{memory}");
    assert_eq!(one.value("pids", "pids.max", "pids.max"), "max");
    let quota = one.value("cpu", "cpu.cfs_quota_us", "cpu.max");
    assert!(quota == "-1" || quota.starts_with("max "), "{quota}");
}

#[test]
fn limits_are_in_force_before_the_first_instruction() {
    if !may_limit() {
        return;
    }
    let most = random(20, 2000);
    // The first thing that the container does is to read its limit by itself.
    let version = cgroup::group(std::process::id() as i32, "pids").map(|group| group.version);
    let file = match version {
        Some(1) => "/sys/fs/cgroup/pids/pids.max",
        _ => "/sys/fs/cgroup/pids.max",
    };
    minidock("run --pids-limit")
        .arg(most.to_string())
        .words("lab /probe cat")
        .arg(file)
        .run()
        .success()
        .stdout(&format!("{most}\n"));
}

#[test]
fn a_limit_is_gone_with_its_container() {
    if !may_limit() {
        return;
    }
    let name = testkit::random_token();
    for options in ["-m 48m", "--pids-limit 31", ""] {
        let run = minidock("run --name").arg(&name).words(options);
        run.words("lab /probe exit 3").run().code(3).stdout("").stderr("");
        has_left_nothing(&name);
    }
    // The same name may be used again, and what it was limited to before is forgotten.
    let run = minidock("run --name").arg(&name);
    run.words("lab cat /proc/self/cgroup").run().success().stdout_contains(":/\n");
}
