//! `update`: what is said of a container anew, while it runs and for its next start.

use testkit::{cgroup, random_token, root_or_skip, wait_for};

use crate::place::Place;
use crate::{minidock, random};

const MIB: u64 = 1 << 20;

#[test]
fn other_limits_are_in_force_now_and_at_the_next_start() {
    if !root_or_skip("only root may make control groups here") {
        return;
    }
    let place = Place::new();
    let name = random_token();
    place.make(&format!("run -d --pids-limit 99 --name {name}"), "exec sleep 600");
    let updated = |words: &str| {
        let update = minidock(place.path(), "update").words(words).arg(&name).run();
        update.success().stderr("").stdout(&format!("{name}\n"));
    };
    let in_force = |controller: &str, v1: &str, v2: &str| {
        let pid = place.row(&name)["PID"].as_i64().unwrap() as i32;
        let group = cgroup::group(pid, controller).unwrap();
        group.read(if group.version == 1 { v1 } else { v2 })
    };
    let memory = || in_force("memory", "memory.limit_in_bytes", "memory.max");
    let (first, second, pids) = (random(20, 50), random(80, 50), random(20, 50));
    updated(&format!("-m {first}m --cpus 0.5"));
    assert_eq!(memory(), (first * MIB).to_string());
    let kept = || place.inspect(&name)["HostConfig"].clone();
    assert_eq!((&kept()["Memory"], &kept()["PidsLimit"]), (&(first * MIB).into(), &99.into()));
    minidock(place.path(), "restart -t 0").arg(&name).run().success();
    assert_eq!(memory(), (first * MIB).to_string());
    minidock(place.path(), "stop -t 0").arg(&name).run().success();
    updated(&format!("--memory {second}m --memory-swap {second}m --pids-limit {pids}"));
    let limits = kept();
    assert_eq!(limits["MemorySwap"], second * MIB);
    assert_eq!((&limits["NanoCpus"], &limits["PidsLimit"]), (&500_000_000.into(), &pids.into()));
    // What does not go together with what is kept is refused, and changes nothing.
    let refused = minidock(place.path(), "update --memory-swap 10m").arg(&name).run();
    refused.code(1).stderr_contains("Minimum memoryswap limit should be larger");
    assert_eq!(kept(), limits);
    minidock(place.path(), "start").arg(&name).run().success();
    assert_eq!(memory(), (second * MIB).to_string());
    assert_eq!(in_force("pids", "pids.max", "pids.max"), pids.to_string());
    minidock(place.path(), "update")
        .arg(&name)
        .run()
        .code(125)
        .stderr_contains("one or more flags");
}

#[test]
fn another_restart_policy_counts_from_the_next_end_on() {
    let place = Place::new();
    let [name, removed] = [(); 2].map(|()| random_token());
    let update = |policy: &str, name: &str| {
        minidock(place.path(), "update --restart").args([policy, name]).run()
    };
    let policy = || place.inspect(&name)["HostConfig"]["RestartPolicy"].clone();
    place
        .make(&format!("run -d --name {name}"), "while ! test -e /go; do sleep 0.05; done; rm /go");
    update("on-failure:7", &name).success().stdout(&format!("{name}\n"));
    assert_eq!(policy(), serde_json::json!({"Name": "on-failure", "MaximumRetryCount": 7}));
    update("always", &name).success();
    let go = || {
        minidock(place.path(), "exec").arg(&name).words("touch /go").run().success();
    };
    let count = || place.inspect(&name)["RestartCount"].as_u64().unwrap();
    go();
    wait_for("a restart", || {
        (count() == 1 && place.row(&name)["State"] == "running").then_some(())
    });
    update("no", &name).success();
    go();
    wait_for("its end", || (place.row(&name)["State"] == "exited").then_some(()));
    assert_eq!(count(), 1);
    place.make(&format!("create --rm --name {removed}"), "exit 0");
    let refused = update("always", &removed);
    refused
        .code(1)
        .stderr_contains("Restart policy cannot be updated because AutoRemove is enabled");
    update("sometimes", &name).code(125).stderr_contains("unknown policy 'sometimes'");
}
