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
    // In version 1 it has no group of its own where nobody has asked for a limit.
    let own = |controller: &str| one.groups().contains(&one.group(controller));
    if own("pids") {
        assert_eq!(one.value("pids", "pids.max", "pids.max"), "max");
    }
    if own("cpu") {
        let quota = one.value("cpu", "cpu.cfs_quota_us", "cpu.max");
        assert!(quota == "-1" || quota.starts_with("max "), "{quota}");
    }
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
        let run = minidock("run --rm --name").arg(&name).words(options);
        run.words("lab /probe exit 3").run().code(3).stdout("").stderr("");
        has_left_nothing(&name);
    }
    // The same name may be used again, and what it was limited to before is forgotten.
    let run = minidock("run --rm --name").arg(&name);
    run.words("lab cat /proc/self/cgroup").run().success().stdout_contains(":/\n");
}

#[test]
fn swap() {
    if !may_limit() {
        return;
    }
    let mebibytes = random_mebibytes();
    for (both, v1, v2) in [
        // Memory and swap together; version 2 counts swap alone.
        (format!("{}m", mebibytes + 7), (mebibytes + 7) * MIB, Some(7 * MIB)),
        // As much as the memory: no swap at all.
        (format!("{mebibytes}m"), mebibytes * MIB, Some(0)),
        ("-1".into(), u64::MAX, None),
    ] {
        let one = container(&format!("-m {mebibytes}m --memory-swap {both}"), SLEEP);
        let group = one.group("memory");
        if group.version == 1 {
            let most = group.number("memory.memsw.limit_in_bytes", "");
            assert!(most == v1 || v1 == u64::MAX && most > 1 << 62, "{both}: {most}");
        } else {
            let expected = v2.map_or("max".into(), |bytes| bytes.to_string());
            assert_eq!(group.read("memory.swap.max"), expected, "{both}");
        }
        assert_eq!(
            one.value("memory", "memory.limit_in_bytes", "memory.max"),
            (mebibytes * MIB).to_string()
        );
    }
}

#[test]
fn reservation() {
    if !may_limit() {
        return;
    }
    let mebibytes = random(8, 20);
    let one = container(&format!("-m 64m --memory-reservation {mebibytes}m"), SLEEP);
    let value = one.value("memory", "memory.soft_limit_in_bytes", "memory.low");
    assert_eq!(value, (mebibytes * MIB).to_string());
}

#[test]
fn processors() {
    if !may_limit() {
        return;
    }
    let hundredths = random(2, 90);
    let one = container(&format!("--cpus 0.{hundredths:02}"), SLEEP);
    let group = one.group("cpu");
    let quota = hundredths * 1000;
    match group.version {
        1 => {
            assert_eq!(group.number("cpu.cfs_quota_us", ""), quota);
            assert_eq!(group.number("cpu.cfs_period_us", ""), 100_000);
        }
        _ => assert_eq!(group.read("cpu.max"), format!("{quota} 100000")),
    }
}

#[test]
fn shares() {
    if !may_limit() {
        return;
    }
    // Version 2's weights, by the curve that runc uses, too.
    for (shares, weight) in [(2, 1), (1024, 100), (262_144, 10_000), (512, 59), (2048, 174)] {
        let one = container(&format!("-c {shares}"), SLEEP);
        let expected = if one.group("cpu").version == 1 { shares } else { weight };
        assert_eq!(one.value("cpu", "cpu.shares", "cpu.weight"), expected.to_string(), "{shares}");
    }
}

#[test]
fn processors_and_nodes_by_number() {
    if !may_limit() {
        return;
    }
    let one = container("--cpuset-cpus 0 --cpuset-mems 0", SLEEP);
    assert_eq!(one.value("cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
    assert_eq!(one.value("cpuset", "cpuset.mems", "cpuset.mems"), "0");
    let allowed = testkit::host::status(one.pid, "Cpus_allowed_list");
    assert_eq!(allowed.as_deref(), Some("0"));
    minidock("run --cpuset-cpus 0 lab nproc").run().success().stdout("1\n");
}

#[test]
fn disks() {
    if !may_limit() {
        return;
    }
    // Any disk will do, as nothing is read or written; a loop device need have nothing behind it.
    let disks = std::fs::read_dir("/sys/block").unwrap().flatten();
    let disks = disks.filter_map(|disk| disk.file_name().into_string().ok());
    let Some(disk) = disks.filter(|disk| std::path::Path::new("/dev").join(disk).exists()).max()
    else {
        testkit::skip("this machine has no disk", "modprobe loop");
        return;
    };
    let number = std::fs::read_to_string(format!("/sys/block/{disk}/dev")).unwrap();
    let number = number.trim();
    let (read, write) = (random(1, 90) * MIB, random(1, 90) * MIB);
    let (reads, writes) = (random(10, 90), random(10, 90));
    let options = format!(
        "--device-read-bps /dev/{disk}:{read} --device-write-bps /dev/{disk}:{write} \
         --device-read-iops /dev/{disk}:{reads} --device-write-iops /dev/{disk}:{writes}"
    );
    let one = container(&options, SLEEP);
    let group = one.group("io");
    if group.version == 1 {
        for (file, value) in
            [("read_bps", read), ("write_bps", write), ("read_iops", reads), ("write_iops", writes)]
        {
            let text = group.read(&format!("blkio.throttle.{file}_device"));
            assert_eq!(text, format!("{number} {value}"), "{file}");
        }
    } else {
        let expected = format!("{number} rbps={read} wbps={write} riops={reads} wiops={writes}");
        assert_eq!(group.read("io.max"), expected);
    }
}
