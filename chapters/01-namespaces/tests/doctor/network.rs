//! Hosts that forward nothing, or drop what they should forward.

use crate::host::{Host, Report};
use nix::sched::{CloneFlags, unshare};
use testkit::{peer, random_token, root_or_skip};

#[test]
fn links_and_tables_can_be_made() {
    let report = Host::new().doctor("");
    report.is("veth", "ok").is("bridge", "ok").is("nftables", "ok");
}

#[test]
fn forwarding_that_is_off_is_switched_on() {
    if peer("sysctl", "apt install procps").is_none() {
        return;
    }
    let mut host = Host::new();
    host.change("echo 0 > /proc/sys/net/ipv4/ip_forward");
    let report = host.doctor("");
    report.needs("ip-forward", "limited", "sysctl -w net.ipv4.ip_forward=1").chapter(5, "limited");
    host.mend(&report, "ip-forward", "").chapter(5, "yes");
    // The lab box has a switch of its own.
    host.change("echo 0 > /proc/sys/net/ipv4/ip_forward");
    host.doctor("--rootless").is("ip-forward", "ok");
    assert_eq!(host.run("cat /proc/sys/net/ipv4/ip_forward"), (0, "0".into()));
}

#[test]
fn a_firewall_that_would_drop_what_we_forward_is_named() {
    if !root_or_skip("an ordinary user's containers have rules of their own") {
        return;
    }
    let table = random_token();
    // A thread can have a network namespace to itself, and starts its programs in it.
    let examine = || {
        let output = testkit::chapter(1).words("doctor --json").run();
        Report::new(output.status().code().unwrap(), &output.text())
    };
    let (before, after) = std::thread::scope(|scope| {
        let examined = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            let before = examine();
            kernel::capability::network::drop_what_is_forwarded(&table, "far").unwrap();
            (before, examine())
        });
        examined.join().unwrap()
    });
    before.is("firewall", "ok");
    let remedy = format!("nft insert rule ip {table} far iifname minidock0 accept");
    after.needs("firewall", "limited", &remedy).chapter(5, "limited").chapter(1, "yes");
    assert!(after.found("firewall").contains(&format!("ip {table} far")));
}
