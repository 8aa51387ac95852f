//! Hosts that refuse namespaces, or ids for them.

use crate::host::{Host, Report};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use testkit::{is_root, peer};

#[test]
fn without_user_namespaces_only_root_has_containers() {
    if peer("sysctl", "apt install procps").is_none() {
        return;
    }
    let mut host = Host::with_limits();
    host.doctor("").is("namespace-user", "ok").chapter(1, "yes");
    host.change("echo 0 > /proc/sys/user/max_user_namespaces");
    host.doctor("")
        .needs("namespace-user", "limited", "sysctl -w user.max_user_namespaces=")
        .is("container", "ok")
        .chapter(1, "yes");
    let shut = host.doctor("--rootless");
    shut.needs("namespace-user", "missing", "sysctl -w user.max_user_namespaces=")
        .needs("container", "missing", "sysctl -w user.max_user_namespaces=")
        .chapter(1, "no")
        .chapter(6, "no");
    host.mend(&shut, "namespace-user", "--rootless").is("container", "ok").chapter(1, "yes");
}

#[test]
fn a_kind_of_namespace_that_is_used_up_is_named() {
    if peer("sysctl", "apt install procps").is_none() {
        return;
    }
    for (name, kind) in
        [("namespace-net", "net"), ("namespace-uts", "uts"), ("namespace-ipc", "ipc")]
    {
        let mut host = Host::with_limits();
        host.change(&format!("echo 0 > /proc/sys/user/max_{kind}_namespaces"));
        let shut = host.doctor("");
        shut.needs(name, "missing", &format!("user.max_{kind}_namespaces="))
            .is("namespace-mnt", "ok")
            .is("container", "missing")
            .chapter(1, "no");
        host.mend(&shut, name, "").is("container", "ok").chapter(1, "yes");
    }
}

/// An account that has no name and no subordinate ids.
const STRANGER: u32 = 43210;

#[test]
fn without_newuidmap_there_is_one_id_and_a_package_to_install() {
    if is_root() && peer("setpriv", "apt install util-linux").is_none() {
        return;
    }
    drop(testkit::chapter(1));
    let state = testkit::fresh_root();
    // The built binary may lie where only the developer can look.
    let binary = state.path().join("minidock-01");
    fs::copy(testkit::binary(1), &binary).unwrap();
    fs::set_permissions(&binary, Permissions::from_mode(0o755)).unwrap();
    let doctor = |path: &str| {
        let path = format!("env PATH={path} HOME={}", state.path().display());
        let doctor = testkit::program(&binary).words("doctor --json").under(&path);
        let doctor = doctor.env_remove("XDG_DATA_HOME").env_remove("MINIDOCK_ROOT");
        let output = if is_root() { doctor.as_user(STRANGER).run() } else { doctor.run() };
        Report::new(output.status().code().unwrap(), &output.text())
    };
    if is_root() {
        chown(state.path(), Some(STRANGER), Some(STRANGER)).unwrap();
    }
    let report = doctor("/nowhere");
    report.is("subordinate-ids", "limited").is("container", "ok").chapter(1, "limited");
    assert!(report.found("subordinate-ids").contains("newuidmap is not installed"));
    let remedy = report.remedy("subordinate-ids");
    assert!(remedy.contains("uidmap") || remedy.contains("shadow"), "{remedy}");
    // An ordinary user's files go below HOME, and not where root's would.
    let data = report.value["host"]["data"]["directory"].as_str().unwrap();
    assert_eq!(data, state.path().join(".local/share/minidock").to_str().unwrap());
    assert_eq!(report.value["host"]["containers"], "lab box");
    // The stranger has no range either, and is given one by its number.
    if is_root() {
        let remedy = doctor("/usr/bin:/bin").remedy("subordinate-ids").to_owned();
        assert!(
            remedy.contains(&format!(
                "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {STRANGER}"
            )),
            "{remedy}"
        );
    }
}
