//! Hosts whose data directory is no good, and hosts without some file.

use crate::host::Host;
use testkit::is_root;

#[test]
fn a_data_directory_that_cannot_be_written_is_moved() {
    let mut host = Host::new();
    host.change("mount -t tmpfs -o ro none \"$MINIDOCK_ROOT\"");
    let report = host.doctor("");
    report.needs("data-directory", "missing", "export MINIDOCK_ROOT=").chapter(1, "no");
    assert!(report.found("data-directory").contains("Read-only file system (EROFS)"));
    // A container needs no data directory, if somebody else gives it a root.
    report.is("container", "ok");
    host.mend(&report, "data-directory", "").chapter(1, "yes");
}

#[test]
fn too_little_space_is_said_before_it_runs_out() {
    let mut host = Host::new();
    host.change("mount -t tmpfs -o size=16m none \"$MINIDOCK_ROOT\"");
    let report = host.doctor("");
    report.needs("free-space", "missing", "export MINIDOCK_ROOT=").chapter(1, "no");
    assert!(report.found("free-space").starts_with("16 MiB"));
    host.change("mount -t tmpfs -o size=512m none \"$MINIDOCK_ROOT\"");
    host.doctor("").is("free-space", "limited").chapter(1, "limited");
    host.change("mount -t tmpfs -o size=2g none \"$MINIDOCK_ROOT\"");
    host.doctor("").is("free-space", "ok").chapter(1, "yes");
}

#[test]
fn an_overlay_cannot_stand_on_an_overlay() {
    let mut host = Host::new();
    host.doctor("").is("overlay", "ok").is("overlay-on-data", "ok").chapter(3, "yes");
    // Its layers are on a file system that goes with the host: only root could remove some of them.
    host.change("mount -t tmpfs none \"$SCRATCH\" && cd \"$SCRATCH\" && mkdir l u w");
    let own = if is_root() { "" } else { ",userxattr" };
    host.change(&format!(
        "mount -t overlay -o \"lowerdir=l,upperdir=u,workdir=w{own}\" overlay \"$MINIDOCK_ROOT\""
    ));
    let report = host.doctor("");
    report
        .needs("overlay-on-data", "missing", "mount -t tmpfs")
        .is("overlay", "ok")
        .is("data-directory", "ok")
        .chapter(1, "yes")
        .chapter(3, "no");
    assert!(
        report.found("overlay-on-data").starts_with("overlay: mount: Invalid argument (EINVAL)")
    );
    host.mend(&report, "overlay-on-data", "").chapter(3, "yes");
}

#[test]
fn an_overlay_needs_extended_attributes() {
    let mut host = Host::new();
    host.change("mount -t ramfs none \"$MINIDOCK_ROOT\"");
    let report = host.doctor("");
    report.needs("overlay-on-data", "limited", "mount -t tmpfs");
    assert!(report.found("overlay-on-data").starts_with("ramfs: "), "{:#}", report.value);
    host.mend(&report, "overlay-on-data", "");
}

#[test]
fn a_proc_that_hides_something_cannot_be_mounted_again() {
    let mut host = Host::new();
    host.doctor("--rootless").is("proc", "ok").chapter(1, "yes");
    host.change("mount --bind /dev/null /proc/uptime");
    let report = host.doctor("--rootless");
    report
        .needs("proc", "missing", "umount /proc/uptime")
        .is("container", "missing")
        .chapter(1, "no");
    host.mend(&report, "proc", "--rootless").is("container", "ok").chapter(1, "yes");
}

#[test]
fn without_a_tun_device_every_chapter_works() {
    let mut host = Host::new();
    host.change("mkdir -p /dev/net 2> /dev/null; mount -t tmpfs none /dev/net");
    let report = host.doctor("");
    report.needs("tun", "missing", "mknod -m 666 /dev/net/tun c 10 200").chapter(1, "yes");
    assert!(report.check("tun")["needed_by"].as_array().unwrap().is_empty());
    // In a user namespace nobody makes devices.
    if is_root() && !report.remedy("tun").contains("modprobe") {
        host.mend(&report, "tun", "");
    }
}

#[test]
fn a_promised_tool_that_is_not_there_is_named() {
    let mut host = Host::new();
    host.doctor("").is("lab-tools", "ok");
    // busybox would fill the gap.
    host.change(
        "for at in $(echo $PATH | tr : ' ') /usr/local/bin /usr/bin /bin; do for tool in ps busybox; do \
         test ! -f $at/$tool || mount --bind /dev/null $(readlink -f $at/$tool); done; done",
    );
    let report = host.doctor("");
    report.needs("lab-tools", "limited", "busybox").chapter(1, "limited");
    assert_eq!(report.found("lab-tools"), "lacks ps");
}
