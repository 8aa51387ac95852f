//! Orphans that nobody waits for, and orphans that are reaped: alone in its file, because the
//! whole process becomes the one that orphans fall to.

mod common;

use std::fs::read_to_string;
use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{probe, run};
use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getsid};

fn zombies(output: &str) -> u32 {
    let line = output.strip_prefix("orphans=5\n").expect("a first line");
    line.trim_end().strip_prefix("zombies=").expect("a second line").parse().expect("a number")
}

#[test]
fn orphans_stay_zombies_until_they_are_reaped() {
    set_child_subreaper(true).expect("orphans now fall to this process, as to PID 1");

    let (code, output, errors) = run(&mut probe("orphans 5"));
    assert_eq!(code, Some(0), "{errors}");
    assert!(zombies(&output) >= 5, "{output}");
    for _ in 0..5 {
        waitpid(None::<Pid>, None).expect("an orphan");
    }
    assert_eq!(waitpid(None::<Pid>, None), Err(Errno::ECHILD), "five, and no more");

    // The same, with a parent that does its duty: the program sees it, and does not wait for the
    // end of its two seconds.
    let start = Instant::now();
    #[expect(clippy::zombie_processes, reason = "waitpid below takes whoever ends, this one too")]
    let mut child = probe("orphans 5").stdout(Stdio::piped()).spawn().expect("it starts");
    let mut pipe = child.stdout.take().expect("a pipe");
    let mut reaped = 0;
    loop {
        match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => sleep(Duration::from_millis(1)),
            Ok(_) => reaped += 1,
            Err(errno) => break assert_eq!(errno, Errno::ECHILD),
        }
    }
    assert_eq!(reaped, 6, "the orphans and the program");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    let mut output = String::new();
    pipe.read_to_string(&mut output).expect("UTF-8");
    // Other zombies of the machine may be among them: only the lines are checked.
    zombies(&output);

    daemons_leave_their_session();
}

/// Part of the test above: these orphans fall to this process, too.
fn daemons_leave_their_session() {
    // They keep its output open: nobody waits for the end of that.
    let mut probe = probe("daemons 2");
    let ended = probe.stdin(Stdio::null()).stdout(Stdio::null()).status().expect("it starts");
    assert!(ended.success());
    let threads = std::fs::read_dir("/proc/self/task").expect("our threads");
    let children = |thread: PathBuf| read_to_string(thread.join("children")).expect("its children");
    let children = threads.map(|thread| children(thread.expect("a thread").path()));
    let children: String = children.collect();
    let all: Vec<i32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    let of = |pid: i32| getsid(Some(Pid::from_raw(pid))).expect("it runs");
    assert!(all.len() == 2 && of(all[0]) != of(all[1]), "{all:?}");
    for pid in all {
        assert_ne!(getsid(None), Ok(of(pid)));
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is ours");
        waitpid(Pid::from_raw(pid), None).expect("it has ended");
    }
}
