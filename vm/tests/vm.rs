//! The built program: commands in a real guest, as shell sessions.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use testkit::{Program, binary, here_or_skip, peer, program, root_or_skip, skip};
use vm::linux::Linux;
use vm::machine::QEMU;

const VM: &str = env!("CARGO_BIN_EXE_vm");
/// The first start makes a lab, and an emulated processor is slow.
const PATIENCE: Duration = Duration::from_secs(240);

/// Found, or fetched, once for all tests of this file.
static LINUX: LazyLock<Result<Linux, String>> =
    LazyLock::new(|| Linux::find().map_err(|error| format!("{error:#}")));

/// The kernel; none, after a named skip, where no virtual machine can be started.
fn ready() -> Option<&'static Linux> {
    // Another account's build directory; the tests count in that account's run.
    if !Path::new(VM).exists() && !root_or_skip("the program lies where this account cannot look") {
        return None;
    }
    peer(QEMU, "install it: apt install qemu-system-x86 (qemu-system-arm on aarch64)")?;
    match &*LINUX {
        Ok(linux) => Some(linux),
        Err(error) => {
            skip(&format!("there is no kernel for a guest: {error}"), "set MINIDOCK_VM_KERNEL");
            None
        }
    }
}

/// `vm run WORDS`, with chapter 01's program on the guest's PATH.
fn run(words: &str) -> Program {
    program(VM).arg("run").words(words).env("MINIDOCK_BIN_01", binary(1)).patience(PATIENCE)
}

#[test]
fn a_container_runs_on_the_guests_kernel() {
    let Some(linux) = ready() else { return };
    let script = "uname -r; hostname | wc -c; echo why >&2; exit 42";
    let output = run("minidock-01 run lab sh -c").arg(script).run();
    // A container's host name is its short ID, twelve digits.
    output.code(42).stdout(&format!("{}\n13\n", linux.version)).stderr_contains("why\n");
}

#[test]
fn a_guest_has_cgroup_v2_alone() {
    let Some(_) = ready() else { return };
    run("grep cgroup /proc/mounts")
        .run()
        .success()
        .stdout("cgroup2 /sys/fs/cgroup cgroup2 rw,relatime 0 0\n");
}

#[test]
fn output_comes_back_byte_for_byte() {
    let Some(_) = ready() else { return };
    let expected: Vec<u8> =
        (1..200_000).flat_map(|number| format!("{number}\n").into_bytes()).take(1 << 20).collect();
    // Through the container's pipes, the guest's and QEMU's.
    let script = "seq 1 200000 | head -c 1048576; printf '\\r\\000\\377' >&2";
    let output = run("minidock-01 run lab sh -c").arg(script).run();
    output.success();
    assert!(output.bytes() == expected, "{} bytes came back changed", output.bytes().len());
}

#[test]
fn exit_codes_are_dockers() {
    let Some(_) = ready() else { return };
    run("sh -c").arg("kill -9 $$").run().code(137);
    run("/etc/passwd").run().code(126).stderr_contains("Permission denied");
    run("no-such-program").run().code(127).stderr_contains("neither in the lab nor on your PATH");
}

#[test]
fn the_other_machine_has_another_bus() {
    let Some(_) = ready() else { return };
    // The last is the generic machine on aarch64, where there is no other.
    let machine = vm::machine::Machine::ALL.last().expect("there is one").name();
    run(&format!("--machine {machine} ls /sys/bus/pci/devices"))
        .run()
        .success()
        .stdout_contains("0000:00:0");
}

#[test]
fn a_guest_that_does_not_end_is_ended() {
    let Some(_) = ready() else { return };
    run("--timeout 4 sleep 1000").run().code(125).stderr_contains("still running after 4 s");
}

#[test]
fn files_and_variables_come_along() {
    let Some(_) = ready() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("message"), "from the host\n").expect("written");
    let place = directory.path().display().to_string();
    let script = "cat message; echo $WORD; touch new";
    let words = format!("--add {place} --directory {place} --env WORD=said sh -c");
    run(&words).arg(script).run().success().stdout("from the host\nsaid\n");
    // A copy went, and nothing of it comes back.
    assert!(!directory.path().join("new").exists());
}

#[test]
fn doctor_misses_an_overlay_that_the_kernel_lacks() {
    let Some(linux) = ready() else { return };
    let modules = linux.modules().expect("they are readable");
    let is_module = !modules.with_dependencies(&["overlay"]).expect("they are modules").is_empty();
    // No namespace takes a file system type away.
    let remedy = "set MINIDOCK_VM_KERNEL to one with modules";
    if !here_or_skip(is_module, "the guest's kernel has overlay built in", remedy) {
        return;
    }
    let output = run("--without overlay minidock-01 doctor --json").run();
    let report: serde_json::Value = serde_json::from_slice(output.bytes()).expect("it is JSON");
    for name in ["overlay", "overlay-on-data"] {
        let mut checks = report["checks"].as_array().expect("they are a list").iter();
        let check = checks.find(|check| check["name"] == name).expect("it is checked");
        assert_eq!(
            (&check["status"], &check["remedy"]),
            (&"missing".into(), &"modprobe overlay".into())
        );
    }
    let works = |number: usize| report["chapters"][number - 1]["works"].as_str();
    assert_ne!(works(2), Some("no"));
    assert_eq!(works(3), Some("no"));
}

#[test]
fn modules_come_after_what_they_need() {
    let Some(linux) = ready() else { return };
    let modules = linux.modules().expect("they are readable");
    let order = modules.with_dependencies(&["nft_masq", "virtio_mmio"]).expect("they are modules");
    let at = |name: &str| order.iter().position(|module| module.file == name);
    if let Some(masq) = at("nft_masq.ko") {
        for needed in ["nf_tables.ko", "nf_nat.ko", "nf_conntrack.ko"] {
            // Where it is built in, it has no file.
            assert!(at(needed).is_none_or(|needed| needed < masq), "{needed}");
        }
        assert!(at("nf_tables.ko").is_some(), "a module that others bring along is missing");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_barest_machine_halts_or_says_why_not() {
    let kvm = OpenOptions::new().read(true).write(true).open("/dev/kvm");
    match (vm::kvm::barest(), kvm) {
        (Ok(took), Ok(_)) => assert!(took > Duration::ZERO),
        (Err(error), Err(_)) => assert!(format!("{error:#}").starts_with("/dev/kvm: ")),
        (result, kvm) => panic!("{result:?}, though opening /dev/kvm: {kvm:?}"),
    }
}
