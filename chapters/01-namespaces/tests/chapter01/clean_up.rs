//! Nothing stays behind: not after many containers, not after a kill -9, and `clean` removes what is kept on purpose.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{RootDir, host, peer, random_token, wait_at_most, wait_for};

use crate::{minidock, on_outer_host};

/// On a disposable host, whose every process, mount and namespace can be counted: containers, one after the other and
/// many at once. The limits on namespaces are far below their number, so that those that leak fail the next. (A detached
/// mount counts as a mount namespace, which is why many at once need more.)
#[test]
fn many_containers_leave_nothing() {
    let root = RootDir::new();
    let script = r#"
        exec unshare --user --map-root-user --mount --pid --net --fork --mount-proc sh -euc '
            limit() { for kind in mnt uts ipc net pid; do echo $1 > /proc/sys/user/max_${kind}_namespaces; done; }
            left() {
                for process in /proc/[0-9]*; do
                    while read key value rest; do
                        case $key in Name:) name=$value;; State:) test $value = Z || echo process $name;; esac
                    done < $process/status || true
                done
                while read line; do echo "mount $line"; done < /proc/self/mountinfo
                for file in "$MINIDOCK_ROOT"/* "$MINIDOCK_ROOT"/*/* "$TMPDIR"/* "$XDG_RUNTIME_DIR"/*; do echo file $file; done
            }
            "$MINIDOCK" run --rm lab /probe true
            left > "$TMPDIR.before"
            limit 250
            i=0; while [ $i -lt 500 ]; do "$MINIDOCK" run --rm lab /probe true; i=$((i+1)); done
            echo 500 in a row
            limit 5000
            all=""
            i=0; while [ $i -lt 100 ]; do "$MINIDOCK" run --rm lab /probe exit 3 & all="$all $!"; i=$((i+1)); done
            for one in $all; do code=0; wait $one || code=$?; test $code = 3 || echo exit code $code; done
            echo 100 at once
            # The kernel takes network namespaces apart when it finds the time.
            limit 30
            i=0; until "$MINIDOCK" run --rm lab /probe true; do i=$((i+1)); test $i -lt 100; sleep 0.1; done
            left > "$TMPDIR.after"
        '"#;
    let scratch = testkit::scratch();
    for name in ["tmp", "run"] {
        fs::create_dir(scratch.path().join(name)).unwrap();
    }
    // Other tests keep containers in the state that all share.
    let state = testkit::fresh_root();
    on_outer_host(script, &root.at("/probe"))
        .env("MINIDOCK_ROOT", state.path())
        .env("TMPDIR", scratch.path().join("tmp"))
        .env("XDG_RUNTIME_DIR", scratch.path().join("run"))
        .patience(Duration::from_secs(180))
        .run()
        .success()
        .stdout("500 in a row\n100 at once\n");
    let left = |name: &str| fs::read_to_string(scratch.path().join(name)).unwrap();
    let (before, after) = (left("tmp.before"), left("tmp.after"));
    assert!(
        before.contains("process sh") && before.contains("mount ") && before.contains("file "),
        "{before}"
    );
    assert_eq!(before, after);
}

#[test]
fn a_killed_command_line_never_leaves_its_command_running() {
    for (options, command) in
        [("", "sleep 600"), ("--init", "sleep 600"), ("-i", "cat"), ("", "(sleep 600; :) & wait")]
    {
        let token = random_token();
        for _ in 0..30 {
            let container =
                minidock("run --rm").words(options).words("lab").sh(&format!("{command}; :"));
            let container = container.arg(&token).open_stdin().spawn();
            // From before the first call to well after the exec; starting takes longest without root.
            let random = u64::from_str_radix(&random_token(), 16).unwrap();
            std::thread::sleep(Duration::from_micros(random % 25_000));
            container.kill_alone();
        }
        let alive = || host::with_token(&token).into_iter().filter(|&pid| host::is_alive(pid));
        let gone = || alive().next().is_none().then_some(());
        if wait_at_most(Duration::from_secs(10), gone).is_none() {
            let left: Vec<_> = alive().map(|pid| (pid, host::cmdline(pid))).collect();
            for (pid, _) in &left {
                // It may have ended at last; the test fails all the same.
                let _killed = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            panic!("{options} {command}: {left:?}");
        }
    }
}

/// The worst moment: the child may go on, but has not yet asked the kernel to die with its parent (prctl(2)). Left to
/// chance that lasts microseconds; here strace(1) holds the call back.
#[test]
fn a_command_line_that_is_killed_before_its_child_is_bound_to_it() {
    let Some(_) = peer("strace", "apt install strace") else { return };
    for options in ["", "--rootless"] {
        let token = random_token();
        let delay = "strace -f -o /dev/null -e trace=prctl -e inject=prctl:delay_enter=300000";
        let run = minidock(options).words("run --rm lab").sh("sleep 600; :").arg(&token);
        let strace = run.under(delay).spawn();
        let [command_line, _child] =
            wait_for("the child", || host::descendants(strace.pid()).first_chunk::<2>().copied());
        // Long enough for all that the parent does before it waits, and shorter than the delay.
        std::thread::sleep(Duration::from_millis(100));
        kill(Pid::from_raw(command_line), Signal::SIGKILL).unwrap();
        let left = || {
            let ours = host::with_token(&token).into_iter();
            ours.filter(|&pid| pid != strace.pid() && host::is_alive(pid)).collect::<Vec<_>>()
        };
        let none = || left().is_empty().then_some(());
        let gone = wait_at_most(Duration::from_secs(5), none).is_some();
        for pid in left() {
            // It has ended already, or the test fails.
            let _killed = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        assert!(gone, "{options} run: the command outlives its command line");
    }
}

#[test]
fn clean_removes_the_lab_and_says_so() {
    let state = testkit::fresh_root();
    minidock("run lab true").state(state.path()).run().success();
    assert!(state.path().join("lab").read_dir().unwrap().next().is_some());
    let session = minidock("clean").state(state.path()).run();
    session.success().stdout_contains(&state.path().join("lab").display().to_string());
    let left: Vec<_> =
        fs::read_dir(state.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
    minidock("clean").state(state.path()).run().success();
    minidock("run lab true").state(state.path()).run().success();
}

#[test]
fn clean_spares_a_container_that_runs_and_says_so() {
    let state = testkit::fresh_root();
    let container = minidock("run -i --rm lab sh -c")
        .arg("echo ready; read line; /probe exit 5")
        .state(state.path())
        .open_stdin();
    let mut container = container.spawn();
    container.wait_for_line("ready");
    let id = host::container_id(container.container_pid()).unwrap();
    let cleaned = minidock("clean").state(state.path()).run();
    cleaned
        .success()
        .stdout_contains(&format!("in use: container {}", &id[..12]))
        .stdout_lacks(&format!("removed: {}", state.path().display()));
    // It goes on, and still finds its programs.
    container.write("go on\n");
    container.wait().code(5);
    minidock("clean")
        .state(state.path())
        .run()
        .success()
        .stdout_contains("removed: ")
        .stdout_lacks(&id[..12]);
}

#[test]
fn clean_touches_nothing_that_is_not_ours() {
    let state = testkit::fresh_root();
    fs::write(state.path().join("notes.txt"), "mine").unwrap();
    fs::create_dir(state.path().join("other")).unwrap();
    minidock("run lab true").state(state.path()).run().success();
    minidock("clean").state(state.path()).run().success();
    assert_eq!(fs::read_to_string(state.path().join("notes.txt")).unwrap(), "mine");
    assert!(state.path().join("other").is_dir());
}

#[test]
fn clean_spares_a_container_whatever_the_binary_is_called() {
    let state = testkit::fresh_root();
    let renamed = state.path().join("docker");
    fs::copy(testkit::binary(1), &renamed).unwrap();
    let container = testkit::program(&renamed).words("run -i lab sh -c");
    let container = container.arg("echo ready; read line; /probe exit 5");
    let mut container = container.state(state.path()).open_stdin().spawn();
    container.wait_for_line("ready");
    minidock("clean").state(state.path()).run().success().stdout_contains("in use: container ");
    container.write("go on\n");
    container.wait().code(5);
}

#[test]
fn clean_spares_the_container_that_it_runs_in() {
    let root = RootDir::new();
    let script = r#"exec "$MINIDOCK" run -e MINIDOCK -e MINIDOCK_ROOT / sh -c '"$MINIDOCK" clean; echo alive'"#;
    let session = on_outer_host(script, &root.at("/probe")).env("MINIDOCK_ROOT", root.at("/state"));
    session.run().success().stdout_contains("in use: container ").stdout_contains("alive\n");
}
