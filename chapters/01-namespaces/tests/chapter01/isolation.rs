//! What a container does not share with its host: the five namespaces, descriptors, and the dangerous part of /proc.

use testkit::host::{self, NAMESPACES};
use testkit::{RootDir, program, random_token};

use crate::{minidock, on_outer_host, sleeper};

#[test]
fn every_namespace_is_new() {
    let container = sleeper("");
    let pid = container.container_pid();
    for kind in NAMESPACES {
        assert_ne!(host::namespace(pid, kind), host::namespace("self", kind), "{kind}");
    }
}

#[test]
fn a_namespace_is_shared_with_the_host_when_asked() {
    for kind in ["uts", "pid", "ipc", "net"] {
        let option = if kind == "net" { "network" } else { kind };
        let container = sleeper(&format!("--{option} host"));
        let pid = container.container_pid();
        // Without root the host is the lab box, in which the container's parent is.
        let parent: i32 = host::status(pid, "PPid").unwrap().parse().unwrap();
        for other in NAMESPACES {
            let shared = host::namespace(pid, other) == host::namespace(parent, other);
            assert_eq!(shared, other == kind, "{other} with --{option} host");
        }
        if testkit::is_root() {
            assert_eq!(host::namespace(pid, kind), host::namespace("self", kind));
        }
    }
}

#[test]
fn the_command_is_process_1_and_has_a_number_on_the_host_too() {
    minidock("run lab cat /proc/self/status").run().success().stdout_contains("NSpid:\t1\n");
    let container = sleeper("");
    let pid = container.container_pid();
    let numbers = host::ns_pids(pid);
    assert_eq!((numbers.first(), numbers.last()), (Some(&pid), Some(&1)));
    assert_eq!(host::cmdline(pid).unwrap(), ["sleep", "600"]);
}

#[test]
fn processes_of_the_host_are_neither_seen_nor_signalled_nor_traced() {
    let token = random_token();
    // It waits by itself: a child of its own would outlive the test.
    let victim = program("sh").args(["-c", "echo ready; read line", &token]).open_stdin().spawn();
    victim.wait_for_line("ready");
    let pid = victim.pid();
    minidock("run lab").sh("cat /proc/*/cmdline").run().success().stdout_lacks(&token);
    for attack in [format!("kill {pid}"), format!("kill {pid} 0"), format!("ptrace {pid}")] {
        let attempt = minidock("run lab /probe").words(&attack).run();
        attempt.code(1).stderr_contains("ESRCH");
    }
    assert!(host::is_alive(pid));
}

#[test]
fn the_mount_table_is_private_and_knows_no_path_of_the_host() {
    let outside = testkit::scratch();
    let probe = RootDir::new();
    let script = r#"
        mount --make-rshared /
        mount -t tmpfs "$TOKEN" "$OUTSIDE"
        "$MINIDOCK" run lab cat /proc/self/mountinfo"#;
    let token = random_token();
    let inside = on_outer_host(script, &probe.at("/probe"))
        .env("TOKEN", &token)
        .env("OUTSIDE", outside.path())
        .run();
    inside.success().stdout_lacks(&token).stdout_lacks("shared:").stdout_lacks("master:");
    let mounts = host::mount_table(&inside.text());
    let allowed = |point: &str| {
        let below =
            |directory: &str| point == directory || point.starts_with(&format!("{directory}/"));
        point == "/" || ["/proc", "/sys", "/dev"].iter().any(|directory| below(directory))
    };
    let foreign: Vec<_> = mounts.iter().filter(|mount| !allowed(&mount.point)).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert_eq!(
        mounts.iter().filter(|mount| mount.point == "/").count(),
        1,
        "one root, with no other beneath"
    );
}

#[test]
fn what_a_container_mounts_and_calls_itself_stays_inside() {
    let probe = RootDir::new();
    let script = r#"
        mount --make-rshared /
        before=$(cat /proc/self/mountinfo; hostname)
        "$MINIDOCK" run lab sh -c 'mount -t tmpfs inside /tmp && hostname inside && hostname; cat /proc/self/mountinfo'
        after=$(cat /proc/self/mountinfo; hostname)
        test "$before" = "$after" || { echo "$before"; echo ---; echo "$after"; exit 99; }"#;
    let session = on_outer_host(script, &probe.at("/probe")).run();
    session.success().stdout_contains("inside\n").stdout_contains(" - tmpfs inside ");
}

#[test]
fn queues_of_the_host_are_not_found() {
    let root = RootDir::new();
    let script = r#"
        "$PROBE" ipc create "$KEY" >&2
        "$PROBE" queue create "/$NAME"
        echo shared:
        "$MINIDOCK" run --ipc host lab /probe ipc find "$KEY" >&2 && echo found
        "$MINIDOCK" run --ipc host lab /probe queue find "/$NAME" && echo found
        echo apart:
        "$MINIDOCK" run lab /probe ipc find "$KEY" || echo missing
        "$MINIDOCK" run lab /probe queue find "/$NAME" || echo missing
        echo made inside:
        "$MINIDOCK" run lab sh -c "/probe ipc create 77 && /probe queue create /inside && ls /dev/mqueue" >&2
        "$PROBE" ipc find 77 || echo missing
        "$PROBE" queue find /inside || echo missing"#;
    on_outer_host(script, &root.at("/probe"))
        .env("KEY", "4711")
        .env("NAME", random_token())
        .run()
        .success()
        .stdout(
            "shared:\nfound\nfound\napart:\nmissing\nmissing\nmade inside:\nmissing\nmissing\n",
        );
}

#[test]
fn the_network_is_lo_alone_and_lo_is_up() {
    minidock("run lab /probe interfaces").run().success().stdout("lo up\n");
    minidock("run lab ls /sys/class/net").run().success().stdout("lo\n");
    // The disposable host has a network namespace of its own, where nobody has set lo up.
    let root = RootDir::new();
    let script = r#""$MINIDOCK" run --network host lab /probe interfaces; "$PROBE" interfaces"#;
    on_outer_host(script, &root.at("/probe")).run().success().stdout("lo down\nlo down\n");
}

#[test]
fn the_hostname_is_the_short_id_or_what_was_asked_for() {
    let name = minidock("run lab hostname").run().success().trimmed();
    assert!(
        name.len() == 12 && name.chars().all(|digit| matches!(digit, '0'..='9' | 'a'..='f')),
        "{name}"
    );
    assert_ne!(minidock("run lab hostname").run().success().trimmed(), name);
    let token = random_token();
    minidock("run --hostname")
        .arg(&token)
        .words("lab hostname")
        .run()
        .success()
        .stdout(&format!("{token}\n"));
    minidock("run -h")
        .arg(&token)
        .words("lab hostname")
        .run()
        .success()
        .stdout(&format!("{token}\n"));
    let own = nix::unistd::gethostname().unwrap().into_string().unwrap();
    assert_ne!(own, token);
    minidock("run --uts host lab hostname").run().success().stdout(&format!("{own}\n"));
}

#[test]
fn only_descriptors_0_to_2_are_passed_on() {
    let numbers = |text: String| -> Vec<String> {
        text.lines().filter_map(|line| Some(line.split_once(" -> ")?.0.to_owned())).collect()
    };
    for options in ["", "-i", "--init", "-i --init"] {
        let listed =
            minidock("run").words(options).words("lab /probe fds").leak(7).leak(9).leak(200).run();
        assert_eq!(numbers(listed.success().text()), ["0", "1", "2"], "{options}");
    }
}

#[test]
fn the_init_holds_nothing_of_the_hosts() {
    // One that it opened for a moment may be gone again.
    let script = "for link in /proc/1/fd/*; do readlink $link || :; done";
    let session = minidock("run --init lab").sh(script).leak(7).leak(9).run();
    let held = session.success().text();
    assert!(held.lines().count() >= 3, "{held}");
    let of_the_host = |link: &&str| link.starts_with('/') && *link != "/dev/null";
    assert_eq!(held.lines().find(of_the_host), None, "{held}");
}

#[test]
fn a_working_directory_among_our_descriptors_does_not_lead_out() {
    for number in 0..20 {
        for start in ["/proc/self/fd", "/proc/1/fd", "/proc/thread-self/fd", "/dev/fd"] {
            let attempt = minidock("run -w")
                .arg(format!("{start}/{number}"))
                .words("lab pwd")
                .leak(7)
                .leak(9)
                .run();
            attempt.code(125).stdout("");
        }
    }
    // The caller's own standard input is a directory of the host's: given to the command, but not to start in.
    minidock("run -i -w /proc/self/fd/0 lab ls").leak(0).run().code(125).stdout("");
}

#[test]
fn the_environment_of_the_host_stays_outside() {
    let (leak, secret) = (random_token(), random_token());
    let environ = "cat /proc/self/environ /proc/1/environ /proc/1/cmdline";
    minidock("run lab").sh(environ).env("LEAK", &leak).run().success().stdout_lacks(&leak);
    // With --init, process 1 is a copy of ours, and must not show our memory of how we were called.
    let session = minidock("run --init -e").arg(format!("SECRET={secret}")).words("lab").sh(
        "tr '\\0' '\\n' < /proc/1/environ; tr '\\0' '\\n' < /proc/1/cmdline; echo; echo mine: $SECRET",
    );
    let shown = session.env("LEAK", &leak).run().success().text();
    assert!(!shown.contains(&leak), "{shown}");
    let (first, mine) = shown.split_once("mine: ").unwrap();
    assert_eq!(mine.trim(), secret);
    assert!(!first.contains(&secret), "{shown}");
}
