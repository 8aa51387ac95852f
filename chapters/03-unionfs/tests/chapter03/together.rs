//! Several commands on one container at the same time: none of them is told what is not so, and none is lost.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use testkit::{Output, Program, fresh_root, host, wait_for};

use crate::background::Background;
use crate::minidock;

fn directory(state: &Path, container: &Background) -> PathBuf {
    state.join("containers").join(&container.id)
}

/// A lock on a file that is there.
fn lock(path: &Path, how: FlockArg) -> Flock<File> {
    Flock::lock(File::open(path).unwrap(), how).unwrap()
}

/// Does this while somebody else looks at the container for a moment, and so shares its lock.
fn while_somebody_looks(state: &Path, container: &Background, command: Program) -> Output {
    let held = lock(&directory(state, container), FlockArg::LockSharedNonblock);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(300));
            drop(held);
        });
        command.run()
    })
}

#[test]
fn who_only_looks_is_in_nobodys_way() {
    let state = fresh_root();
    let state = state.path();
    let container = Background::create(state, "lab echo ran");
    let named = |command: &str| minidock(state, command).arg(&container.name);
    let meanwhile = |command: &str| while_somebody_looks(state, &container, named(command));
    meanwhile("start").success();
    named("wait").run().success().stdout("0\n");
    named("logs").run().success().stdout("ran\n");
    meanwhile("inspect --format {{.State.Status}}").success().stdout("exited\n");
    meanwhile("rm").success();
    assert!(!directory(state, &container).exists());
}

#[test]
fn of_changes_at_once_none_is_lost_and_none_damages_the_record() {
    let state = fresh_root();
    let state = state.path();
    let container = Background::create(state, "lab true");
    let (id, name) = (&container.id, &container.name);
    let update = |option: &'static str, value: &'static str| {
        (0..40).for_each(|_| {
            minidock(state, "update").arg(option).arg(value).arg(id).run().success();
        });
    };
    thread::scope(|scope| {
        scope.spawn(|| update("--restart", "unless-stopped"));
        scope.spawn(|| update("--pids-limit", "77"));
        scope.spawn(|| {
            for (new, number) in (0..40).map(|number| (format!("{name}-{number}"), number)) {
                minidock(state, "rename").arg(id).arg(&new).run().success();
                assert!(number < 39 || state.join("names").join(&new).is_symlink());
            }
        });
    });
    let format = "{{.Name}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.PidsLimit}}";
    let inspect = minidock(state, "inspect --format").arg(format).arg(id).run();
    inspect.success().stdout(&format!("/{name}-39 unless-stopped 77\n"));
    assert_eq!(std::fs::read_dir(state.join("names")).unwrap().count(), 1);
}

#[test]
fn one_that_is_being_started_is_stopped_killed_and_removed_as_soon_as_it_runs() {
    let state = fresh_root();
    let state = state.path();
    let container = Background::create(state, "lab sleep 600");
    let name = &container.name;
    // The first start makes the file of the lock.
    minidock(state, "start").arg(name).run().success();
    for end in ["kill", "stop -t 0", "rm -f"] {
        minidock(state, "stop -t 0").arg(name).run().success();
        // Its shim waits for this one before it makes the container's root, as it does while `cp` writes.
        let held =
            lock(&directory(state, &container).join("lock"), FlockArg::LockExclusiveNonblock);
        let start = minidock(state, "start").arg(name).spawn();
        let place = state.join("run").join(&container.id);
        wait_for("its place", || place.exists().then_some(()));
        let end = minidock(state, end).arg(name).spawn();
        thread::sleep(Duration::from_millis(200));
        drop(held);
        end.wait().success().stdout(&format!("{name}\n"));
        // It may have been killed before it could become its command.
        start.wait();
        assert!(!place.exists());
    }
    assert!(!directory(state, &container).exists());
}

#[test]
fn who_waits_for_one_is_told_when_it_is_removed() {
    let state = fresh_root();
    let state = state.path();
    let container = Background::run(state, "lab sleep 600");
    let wait = minidock(state, "wait").arg(&container.name).spawn();
    thread::sleep(Duration::from_millis(200));
    minidock(state, "rm -f").arg(&container.name).run().success();
    wait.wait().success().stdout("137\n");
}

#[test]
fn who_does_not_read_is_in_nobodys_way() {
    let state = fresh_root();
    let state = state.path();
    minidock(state, "run --rm lab true").run().success();
    let fifo = state.join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    // Open at both ends: nobody has to wait for the other, and nobody reads.
    let reader = File::options().read(true).write(true).open(&fifo).unwrap();
    let run = minidock(state, "run --init --name it lab")
        .sh("while :; do echo y; done")
        .within(&format!("exec \"$@\" > {}", fifo.display()))
        .spawn();
    wait_for("a full pipe", || {
        let room = poll(&mut [PollFd::new(reader.as_fd(), PollFlags::POLLOUT)], PollTimeout::ZERO);
        (room.unwrap() == 0).then_some(())
    });
    let pid: i32 = minidock(state, "inspect -f {{.State.Pid}} it").run().trimmed().parse().unwrap();
    // What its command line is sent arrives all the same.
    run.signal(Signal::SIGTERM);
    wait_for("its end", || (!host::is_alive(pid)).then_some(()));
    minidock(state, "stop it").run().success();
    minidock(state, "wait it").run().success().stdout("143\n");
    minidock(state, "rm it").run().success();
    // Nobody can read it any more.
    drop(reader);
    run.wait();
}

#[test]
fn output_that_does_not_wait_is_waited_for() {
    let state = fresh_root();
    let state = state.path();
    // dd(1) leaves its output so, and whoever shares it has it so.
    let run = minidock(state, "run lab")
        .sh("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
        .within("{ dd if=/dev/null oflag=nonblock 2>/dev/null; \"$@\" || echo code $? >&2; } | { sleep 0.5; cat; }")
        .run();
    let lines: Vec<String> = (0..20000).map(|n| format!("line {n}\n")).collect();
    run.success().stderr("").stdout(&lines.concat());
}

/// Whoever kills it says so in its place while its shim is removing that.
#[test]
fn one_that_is_killed_is_removed_if_that_was_said_of_it() {
    let state = fresh_root();
    let state = state.path();
    minidock(state, "run --rm lab true").run().success();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..60 {
                    let container = Background::run(state, "--rm lab sleep 600");
                    minidock(state, "kill").arg(&container.id).run().success();
                    let gone = || (!directory(state, &container).exists()).then_some(());
                    wait_for("its end", gone);
                    assert!(!state.join("run").join(&container.id).exists());
                }
            });
        }
    });
}
