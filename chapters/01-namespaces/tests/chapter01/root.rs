//! The root that a container sees: /proc, /sys and /dev as the runtime specification wants them, and what is masked there.

use std::path::Path;

use testkit::RootDir;
use testkit::host::{self, Mount};

use crate::{minidock, run_in};

/// What Docker hides, because it tells of the host or lets one touch it.
const MASKED: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
];

/// What Docker lets one read only.
const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

fn mounts(options: &str) -> Vec<Mount> {
    let table = minidock("run").words(options).words("lab cat /proc/self/mountinfo").run();
    host::mount_table(&table.success().text())
}

/// The uppermost mount at a path: the last in the table.
fn at<'a>(mounts: &'a [Mount], point: &str) -> Option<&'a Mount> {
    mounts.iter().rev().find(|mount| mount.point == point)
}

#[test]
fn the_kernels_file_systems_are_where_they_belong() {
    let mounts = mounts("");
    let kinds = [
        ("/proc", "proc"),
        ("/sys", "sysfs"),
        ("/dev", "tmpfs"),
        ("/dev/pts", "devpts"),
        ("/dev/shm", "tmpfs"),
        ("/dev/mqueue", "mqueue"),
    ];
    for (point, kind) in kinds {
        let mount = at(&mounts, point).unwrap_or_else(|| panic!("nothing is mounted on {point}"));
        assert_eq!(mount.kind, kind, "{point}");
        for option in ["nosuid", "noexec"] {
            // Programs may be run from nowhere here; /dev alone has to allow device nodes.
            let wanted = !(option == "noexec" && point == "/dev");
            assert!(
                !wanted || mount.options.iter().any(|have| have == option),
                "{point}: {option}"
            );
        }
    }
    assert!(at(&mounts, "/sys").unwrap().is_read_only());
    let mark = &at(&mounts, "/dev").unwrap().source;
    let id = mark.strip_prefix(host::MARK).unwrap_or_else(|| panic!("/dev comes from {mark}"));
    assert!(id.len() == 64 && id.chars().all(|digit| digit.is_ascii_hexdigit()), "{id}");
}

#[test]
fn masked_paths_show_nothing() {
    let mounts = mounts("");
    let mut seen = 0;
    for path in MASKED.iter().filter(|path| Path::new(path).exists()) {
        assert!(at(&mounts, path).is_some(), "{path} is not covered");
        let script = format!("if test -d {path}; then ls -A {path}; else cat {path}; fi");
        minidock("run lab").sh(&script).run().success().stdout("");
        seen += 1;
    }
    assert!(seen > 0, "every kernel has some of them");
}

#[test]
fn the_settings_of_the_kernel_can_be_read_only() {
    let mounts = mounts("");
    for path in READ_ONLY.iter().filter(|path| Path::new(path).exists()) {
        assert!(at(&mounts, path).is_some_and(Mount::is_read_only), "{path}");
    }
    let value = minidock("run lab cat /proc/sys/kernel/ostype").run().success().trimmed();
    assert_eq!(value, "Linux");
    for write in ["echo 1 > /proc/sys/vm/drop_caches", "mkdir /sys/fs/made"] {
        let attempt = minidock("run lab").sh(write).run();
        attempt
            .claim(!attempt.status().success(), "a refusal")
            .stderr_contains("Read-only file system");
    }
}

#[test]
fn the_device_nodes_work() {
    let script = r#"
        for node in null zero full random urandom tty; do stat -c '%n %F %t:%T %a' /dev/$node; done
        echo gone > /dev/null
        head -c 5 /dev/zero | tr '\0' 0; echo
        head -c 16 /dev/urandom | wc -c
        echo much | cat > /dev/full || echo full
        ls /dev/fd/0 /dev/stdin /dev/stdout /dev/stderr > /dev/null && readlink /dev/fd /dev/ptmx"#;
    let session = minidock("run -i lab").sh(script).stdin("input").run();
    session.success().stderr_contains("No space left on device").stdout(
        "/dev/null character special file 1:3 666\n\
         /dev/zero character special file 1:5 666\n\
         /dev/full character special file 1:7 666\n\
         /dev/random character special file 1:8 666\n\
         /dev/urandom character special file 1:9 666\n\
         /dev/tty character special file 5:0 666\n\
         00000\n16\nfull\n/proc/self/fd\npts/ptmx\n",
    );
    let others = "for node in /dev/*; do test -b $node && echo $node; done; ls /dev/pts; true";
    minidock("run lab").sh(others).run().success().stdout("ptmx\n");
}

#[test]
fn shared_memory_and_message_queues_can_be_used() {
    let script = "echo text > /dev/shm/file && cat /dev/shm/file && stat -c %a /dev/shm \
                  && /probe queue create /made && ls /dev/mqueue";
    minidock("run lab").sh(script).run().success().stdout("text\n1777\nmade\n");
    minidock("run lab ls /dev/shm /dev/mqueue")
        .run()
        .success()
        .stdout_lacks("file")
        .stdout_lacks("made");
}

#[test]
fn a_read_only_root_cannot_be_written() {
    let root = RootDir::new().file("/file", "as it was\n").program("/bin/true", probe::PROGRAM);
    let attempt = run_in("--read-only", root.path()).words("/probe escape /file").run();
    attempt.code(1).stderr_contains("mkdir").stderr_contains("EROFS");
    run_in("--read-only", root.path())
        .words("/probe cat /file")
        .run()
        .success()
        .stdout("as it was\n");
    let script = "touch /made; touch /tmp/made; touch /dev/shm/made && echo shm";
    minidock("run --read-only lab")
        .sh(script)
        .run()
        .success()
        .stdout("shm\n")
        .stderr_contains("Read-only file system");
    assert!(at(&mounts("--read-only"), "/").unwrap().is_read_only());
    assert!(!at(&mounts(""), "/").unwrap().is_read_only());
}

#[test]
fn any_directory_is_a_root_and_gets_its_mount_points() {
    let root = RootDir::new();
    let report = run_in("", root.path()).words("/probe report").run().success().text();
    assert_eq!(
        (crate::value(&report, "pid"), crate::value(&report, "cwd")),
        ("1".into(), "/".into())
    );
    // A path that begins with a dot is relative to the caller.
    let name = root.path().file_name().unwrap().to_str().unwrap();
    let here = minidock("run").arg(format!("./{name}")).words("/probe cat /proc/self/comm");
    here.directory(root.path().parent().unwrap()).run().success().stdout("probe\n");
    minidock("run . /probe true").directory(root.path()).run().success();
}

#[test]
fn the_lab_is_made_on_first_use_by_whoever_comes_first() {
    let state = testkit::fresh_root();
    let first: Vec<_> =
        (0..4).map(|_| minidock("run lab").sh("echo made").state(state.path()).spawn()).collect();
    for each in first {
        each.wait().success().stdout("made\n");
    }
    minidock("--root")
        .arg(state.path())
        .words("run lab /probe true")
        .env_remove("MINIDOCK_ROOT")
        .run()
        .success();
}

#[test]
fn the_lab_has_the_tools_that_it_promises() {
    let tools = "sh cat chmod chown cp cut date echo env expr false grep head hostname id kill ln ls mkdir mkfifo mknod \
                 mount mv nproc printf ps pwd readlink rm rmdir sed seq sleep sort stat stty tail test touch tr true tty \
                 umount uname wc";
    let script = "for tool in \"$@\"; do command -v $tool > /dev/null || echo $tool is missing; done; ps > /dev/null";
    minidock("run lab").sh(script).arg("sh").words(tools).run().success().stdout("");
}
