//! `ps`, `stats`, `top` and `inspect`: what they show is what the kernel's files say.

use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::{cgroup, host, random_token, wait_for};

use crate::{SLEEP, container, may_limit, minidock};

/// The lines of JSON, one a container.
fn rows(words: &str) -> Vec<Value> {
    let text = minidock(words).run().success().text();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

fn row(words: &str, key: &str, value: &str) -> Value {
    let rows = rows(words);
    rows.iter().find(|row| row[key] == value).unwrap_or_else(|| panic!("{value}: {rows:?}")).clone()
}

#[test]
fn a_container_is_listed_while_it_runs() {
    if !may_limit() {
        return;
    }
    let one = container("", SLEEP);
    let id = host::container_id(one.pid).unwrap();
    let row = row("ps --format json", "Names", &one.name);
    assert_eq!(row["ID"], id[..12]);
    assert_eq!(row["PID"], one.pid);
    assert_eq!(row["State"], "running");
    // What runs now; or, from chapter 03 on, what was asked for.
    let command = row["Command"].as_str().unwrap();
    assert!(command == "\"sleep 600\"" || command.starts_with("\"/bin/sh -c 'echo"), "{command}");
    let quiet = minidock("ps -q --no-trunc").run().success().text();
    assert!(quiet.lines().any(|line| line == id), "{quiet}");
    let table = minidock("ps").run().success().text();
    let titles = table.lines().next().unwrap();
    for title in ["CONTAINER ID", "COMMAND", "CREATED", "STATUS", "NAMES"] {
        assert!(titles.contains(title), "{titles}");
    }
    assert!(
        table.lines().any(|line| line.starts_with(&id[..12]) && line.ends_with(&one.name)),
        "{table}"
    );
    let name = one.name.clone();
    one.running.signal(Signal::SIGKILL);
    crate::leaves_nothing(&name);
    assert!(!minidock("ps -a").run().success().text().contains(&name));
}

#[test]
fn the_first_process_stays_the_first() {
    if !may_limit() {
        return;
    }
    // With the host's process ids nothing is number 1, and here are many.
    let one = container("--pid host", "for n in 1 2 3; do sleep 600 & done; wait");
    let second = minidock("exec").arg(&one.name).sh("echo ready; exec sleep 601").spawn();
    second.wait_for_line("ready");
    assert_eq!(row("ps --format json", "Names", &one.name)["PID"], one.pid);
}

#[test]
fn a_container_in_a_box_of_its_own_account_is_listed_with_the_others() {
    if !may_limit() {
        return;
    }
    let one = container("--init", SLEEP);
    assert_eq!(row("ps --format json", "Names", &one.name)["State"], "running");
}

#[test]
fn statistics_are_the_kernels_counters() {
    if !may_limit() {
        return;
    }
    let one = container(
        "-m 64m --pids-limit 50",
        "for n in 1 2 3; do sleep 600 & done; echo begun; wait",
    );
    one.running.wait_for_line("begun");
    let words = format!("stats --no-stream --format json {}", one.name);
    let row = row(&words, "Name", &one.name);
    let group = one.group("pids");
    assert_eq!(row["PIDs"], group.read("pids.current"));
    assert_eq!(row["ID"], host::container_id(one.pid).unwrap()[..12]);
    assert_eq!(row["Container"], one.name);
    let memory = row["MemUsage"].as_str().unwrap();
    assert!(memory.ends_with(" / 64MiB"), "{memory}");
    // It sleeps, and so nothing changes between our look and the command's: the cache that was not used is taken off.
    let group = one.group("memory");
    let (current, cache) = match group.version {
        1 => ("memory.usage_in_bytes", "total_inactive_file"),
        _ => ("memory.current", "inactive_file"),
    };
    let used = group.number(current, "") - group.number("memory.stat", cache);
    let share: f64 = row["MemPerc"].as_str().unwrap().strip_suffix('%').unwrap().parse().unwrap();
    let expected = used as f64 / (64 << 20) as f64 * 100.0;
    // The kernel settles its counts of single pages now and then.
    assert!((share - expected).abs() < 1.0, "{share} and {expected}");
    for key in ["BlockIO", "CPUPerc", "NetIO"] {
        assert!(row[key].is_string(), "{key}: {row}");
    }
}

#[test]
fn a_busy_container_shows_its_share_of_a_processor() {
    if !may_limit() {
        return;
    }
    let one = container("--cpus 0.3", "/probe spin & /probe spin & wait");
    let share = |words: &str| -> f64 {
        let row = row(&format!("{words} {}", one.name), "Name", &one.name);
        row["CPUPerc"].as_str().unwrap().strip_suffix('%').unwrap().parse().unwrap()
    };
    // Not more than its quota, plus a period at either end of the second.
    let busy = share("stats --no-stream --format json");
    assert!(busy > 1.0 && busy < 40.0, "{busy}");
}

#[test]
fn statistics_come_again_and_again_until_the_end() {
    if !may_limit() {
        return;
    }
    let one = container("", SLEEP);
    let stats = minidock("stats --format {{.Name}}={{.PIDs}}").arg(&one.name).spawn();
    stats.wait_for_line(&format!("{}=1", one.name));
    let name = one.name.clone();
    drop(one);
    // Whom it was asked about is gone, and so it ends by itself.
    let session = stats.wait();
    session.success();
    assert!(session.text().lines().all(|line| line == format!("{name}=1")), "{session}");
    let forever = minidock("stats").spawn();
    forever.wait_for_line("CONTAINER ID");
    forever.signal(Signal::SIGINT);
    forever.wait().success();
}

#[test]
fn its_processes_are_listed_as_the_host_numbers_them() {
    if !may_limit() {
        return;
    }
    let one = container("", "sleep 6001 & sleep 6002 & echo begun; wait");
    one.running.wait_for_line("begun");
    let expected = wait_for("both", || {
        let mut pids = one.core().processes();
        pids.sort_unstable();
        let words = |pid: &i32| host::cmdline(*pid).unwrap_or_default().join(" ");
        let sleeping =
            pids.iter().map(words).filter(|words| words.starts_with("sleep 600")).count();
        (sleeping == 2).then_some(pids)
    });
    let table = minidock("top").arg(&one.name).run().success().text();
    let mut lines = table.lines();
    let titles: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(titles, ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
    let pids: Vec<i32> =
        lines.map(|line| line.split_whitespace().nth(1).unwrap().parse().unwrap()).collect();
    assert_eq!(pids, expected);
    assert!(table.contains("sleep 6001") && table.contains("sleep 6002"), "{table}");
    if testkit::peer("ps", "apt install procps").is_some() {
        let own = minidock("top").arg(&one.name).words("-o pid,comm").run().success().text();
        assert_eq!(own.lines().count(), expected.len() + 1, "{own}");
    }
}

#[test]
fn inspect_shows_the_files_as_they_are() {
    if !may_limit() {
        return;
    }
    let one = container("-m 44m --pids-limit 33", SLEEP);
    for target in [one.name.clone(), one.pid.to_string()] {
        let text = minidock("inspect --format json").arg(&target).run().success().text();
        let shown: Value = serde_json::from_str(&text).unwrap();
        // Docker's, in later chapters, has a slash before it.
        let name = shown["Name"].as_str().unwrap();
        assert_eq!(name.trim_start_matches('/'), one.name);
        assert_eq!(shown["Paused"], false);
        let groups = shown["Groups"].as_array().unwrap();
        let expected = one.groups();
        assert_eq!(groups.len(), expected.len());
        for group in expected {
            let directory = group.directory.display().to_string();
            let shown = groups.iter().find(|shown| shown["Directory"] == directory).unwrap();
            assert_eq!(shown["Version"], group.version);
            for file in ["cgroup.procs", "memory.max", "memory.limit_in_bytes", "pids.max"] {
                if group.directory.join(file).exists() {
                    assert_eq!(shown["Files"][file], group.read(file), "{file}");
                }
            }
        }
    }
    let people = minidock("inspect").arg(&one.name).run().success().text();
    assert!(
        people.contains(&one.name) && people.contains("44MiB") && people.contains("pids.max"),
        "{people}"
    );
    let none = random_token();
    let session = minidock("inspect").arg(&none).run();
    session.code(1).stderr_contains(&format!("No such object: {none}"));
    // A process that is in no group of ours.
    let own = std::process::id().to_string();
    minidock("inspect").arg(own).run().success().stdout_contains("none of ours");
    assert!(cgroup::named(&none).is_empty());
}
