//! Much output: a log that is larger than anybody's memory ought to be, and who writes faster than others read.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use testkit::{Program, here_or_skip, host, random_token, wait_for};

use super::{at_once, rows};
use crate::place::Place;
use crate::{first_process, minidock, random, shim_of};

const MIB: u64 = 1 << 20;

/// What `seq` and `sed` make of so many numbers: 900 bytes a line.
fn numbered_lines(count: u64) -> String {
    format!("seq 1 {count} | sed s/^/{}/", "0123456789".repeat(89))
}

#[test]
fn a_log_of_a_gigabyte_is_read_in_little_memory_and_no_line_is_lost() {
    // Its address space is limited to so much, and with it what it can have in memory.
    const MEMORY: u64 = 16 * MIB;
    let place = Place::new();
    let state = place.path();
    let free = statvfs(state).unwrap();
    let free = free.blocks_available() as u64 * free.fragment_size() as u64;
    if !here_or_skip(free > 3 << 30, "less than 3 GiB are free", "set TMPDIR to another place") {
        return;
    }
    // With what else there is in a line of JSON, a gigabyte.
    let count = 1_120_000 + random(0, 1000);
    let writer = minidock(state, "run -d --name it lab").sh(&numbered_lines(count)).run();
    let id = writer.success().trimmed();
    minidock(state, "wait it").patience(Duration::from_secs(300)).run().success().stdout("0\n");
    let size = fs::metadata(state.join("containers").join(&id).join("log.jsonl")).unwrap().len();
    assert!(size >= 1 << 30, "{size}");

    let sum = |program: Program| program.patience(Duration::from_secs(300)).run().success().text();
    let expected = sum(testkit::program("sh").args(["-c", &(numbered_lines(count) + " | cksum")]));
    let logs = minidock(state, "logs it").limit(libc::RLIMIT_AS, MEMORY);
    assert_eq!(sum(logs.within(r#""$@" | cksum"#)), expected);

    // What a child has read is counted to whoever waits for it (proc_pid_io(5)).
    if here_or_skip(Path::new("/proc/self/io").exists(), "this kernel counts no bytes", "") {
        let last = minidock(state, "logs -n 10 it").limit(libc::RLIMIT_AS, MEMORY);
        let last = last.within(r#""$@" | cut -c 891-; cat /proc/$$/io"#).run().success().text();
        let (lines, counted) = last.split_at(last.find("rchar").unwrap());
        let numbers: Vec<String> = (count - 9..=count).map(|n| n.to_string()).collect();
        assert_eq!(lines.lines().collect::<Vec<_>>(), numbers);
        let read = counted.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
        assert!(read.parse::<u64>().unwrap() < MIB, "{counted}");
    }
    minidock(state, "rm it").run().success();
}

/// How much memory a process has: `VmHWM` is the most that it ever had.
fn memory(pid: i32, field: &str) -> u64 {
    let text = host::status(pid, field).expect("it runs");
    text.split(' ').next().unwrap().parse::<u64>().unwrap() << 10
}

/// Which of the numbered lines these are.
fn numbers(text: &str) -> Vec<u64> {
    whole_lines(text).map(|line| line[890..].parse().unwrap()).collect()
}

/// Without a last one that a kill has cut off.
fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'))
}

/// It writes as fast as this machine allows: all of it goes through a pipe, and one process makes JSON of it.
#[test]
fn who_writes_as_fast_as_it_can_fills_neither_memory_nor_disk() {
    let place = Place::new();
    let state = place.path();
    let options = "--name it --log-opt max-size=1m --log-opt max-file=2 lab";
    let run = minidock(state, "run -d").words(options).sh(&numbered_lines(999_999_999));
    let id = run.run().success().trimmed();
    let shim = shim_of(first_process(&id));
    let directory = state.join("containers").join(&id);
    let number = || {
        let last = minidock(state, "logs -n 1 it").run().success().text();
        numbers(&last).last().copied().unwrap_or(0)
    };
    for part in 1..=8 {
        wait_for("what it writes", || (number() > part * 30_000).then_some(()));
        // One that is just being given another name may be counted twice or not at all.
        let files = ["log.jsonl", "log.jsonl.1"].map(|name| fs::metadata(directory.join(name)));
        assert!(files.iter().flatten().all(|file| file.len() < MIB + (64 << 10)), "{files:?}");
        // Whoever reads it meanwhile sees lines that follow one another.
        let seen = numbers(&minidock(state, "logs -n 100 it").run().success().text());
        assert!(seen.len() >= 100 && seen.is_sorted(), "{seen:?}");
    }
    assert!(memory(shim, "VmHWM") < 8 * MIB, "{}", memory(shim, "VmHWM"));
    minidock(state, "stop -t 0 it").run().success();
    assert!(!directory.join("log.jsonl.2").exists());
    let kept = numbers(&minidock(state, "logs it").run().success().text());
    assert!(kept.len() > 500 && kept.windows(2).all(|pair| pair[1] == pair[0] + 1));
    minidock(state, "rm it").run().success();
}

#[test]
fn a_log_is_followed_over_more_files_than_there_are_looks() {
    let place = Place::new();
    let state = place.path();
    let count = 600 + random(0, 100);
    // A few lines a file, all of which are kept.
    let options = "--name it --log-opt max-size=200 --log-opt max-file=1000 lab";
    let script = format!("i=0; while [ $i -lt {count} ]; do i=$((i+1)); echo $i; done");
    minidock(state, "create").words(options).sh(&script).run().success();
    minidock(state, "start it").run().success();
    let followed = minidock(state, "logs -f it").run().success().text();
    let lines: Vec<String> = (1..=count).map(|number| number.to_string()).collect();
    assert_eq!(followed.lines().collect::<Vec<_>>(), lines);
    minidock(state, "rm -f it").run().success();
}

#[test]
fn who_reads_slowly_loses_nothing() {
    let place = Place::new();
    let state = place.path();
    minidock(state, "run --rm lab true").run().success();
    // From what fits between the two to more than that.
    at_once(8, |thread| {
        let (name, count) = (format!("n{}", random_token()), 10_000 + 9000 * thread);
        let code = random(1, 100) as i32;
        let script = format!("seq {count}; exit {code}");
        minidock(state, "create --name").arg(&name).arg("lab").sh(&script).run().success();
        let start = minidock(state, "start -a").arg(&name);
        let read = start.within(r#"{ "$@"; echo $? >&2; } | { sleep 4; cksum; }"#).run();
        let expected = testkit::program("sh").args(["-c", &format!("seq {count} | cksum")]).run();
        read.success().stdout(&expected.success().text()).stderr(&format!("{code}\n"));
        minidock(state, "rm").arg(&name).run().success();
    });
}

#[test]
fn who_does_not_read_at_all_keeps_nobody_from_stopping_it() {
    let place = Place::new();
    let state = place.path();
    let script = "seq 1000000; sleep 600";
    let id = minidock(state, "create --name it lab").sh(script).run().success().trimmed();
    let start = minidock(state, "start -a it");
    // The second process of a pipeline has no other way to our input.
    let reader = start.within(r#"exec 3<&0; "$@" | { read go <&3; cksum; }"#).open_stdin();
    let mut reader = reader.spawn();
    let shim = shim_of(first_process(&id));
    let log = state.join("containers").join(&id).join("log.jsonl");
    let logged = || fs::metadata(&log).map_or(0, |log| log.len());
    wait_for("it to wait for its reader", || {
        let before = logged();
        thread::sleep(Duration::from_millis(200));
        (before > 0 && logged() == before).then_some(())
    });
    assert!(memory(shim, "VmHWM") < 8 * MIB);
    minidock(state, "stop -t 0 it").run().success();
    assert!(rows(state)[0].2.starts_with("Exited (137) "), "{:?}", rows(state));
    let kept = minidock(state, "logs it").run().success().text();
    assert!(whole_lines(&kept).enumerate().all(|(at, line)| line == (at + 1).to_string()));
    minidock(state, "rm it").run().success();
    // What was written is still there for whoever was attached.
    let expected = testkit::program("cksum").stdin(&kept).run().success().text();
    reader.write("go\n");
    reader.wait().success().stdout(&expected);
}
