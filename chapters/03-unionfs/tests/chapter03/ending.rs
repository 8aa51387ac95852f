//! The end of a container, and of whoever minds it: its layer stays until it is removed, and no mount does.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{fresh_root, host, random_token, wait_for};

use crate::{ids, minidock, mountinfo};

fn statuses(state: &Path) -> String {
    let own = ids(state);
    let all = minidock(state, "ps -a --no-trunc --format").arg("{{.ID}} {{.Names}}={{.Status}}");
    let all = all.run().success().text();
    let known = |line: &&str| own.iter().any(|id| line.starts_with(id));
    let lines = all.lines().filter(known).filter_map(|line| line.split_once(' '));
    lines.map(|(_, status)| format!("{status}\n")).collect()
}

#[test]
fn it_stays_with_what_it_has_written_until_it_is_removed() {
    let state = fresh_root();
    let state = state.path();
    minidock(state, "run --name kept lab").sh("echo x > /new; exit 3").run().code(3);
    minidock(state, "run --rm lab").sh("echo x > /new").run().success();
    assert!(statuses(state).starts_with("kept=Exited (3) "), "{}", statuses(state));
    minidock(state, "diff kept").run().success().stdout("A /new\n");
    minidock(state, "rm kept").run().success().stdout("kept\n");
    assert_eq!(statuses(state), "");
    assert_eq!(ids(state).len(), 0);
    minidock(state, "rm kept").run().code(1).stderr_contains("No such container: kept");
    minidock(state, "rm -f kept").run().success();
}

#[test]
fn one_that_runs_is_not_removed_unless_it_is_killed() {
    let state = fresh_root();
    let state = state.path();
    let run = minidock(state, "run --name it lab sleep 600").spawn();
    let pid = run.container_pid();
    let refused = minidock(state, "rm it").run();
    refused.code(1).stderr_contains(
        "cannot remove container \"it\": container is running: stop the container before removing or force remove",
    );
    assert!(host::is_alive(pid));
    minidock(state, "clean").run();
    assert!(host::is_alive(pid) && statuses(state).starts_with("it=Up "));
    minidock(state, "rm -f it").run().success().stdout("it\n");
    run.wait().code(137);
    assert_eq!((statuses(state), host::is_alive(pid)), (String::new(), false));
}

#[test]
fn of_ten_that_want_one_name_at_once_one_has_it() {
    let state = fresh_root();
    let state = state.path();
    minidock(state, "run --rm lab true").run().success();
    let start = |_| minidock(state, "run --name one -i lab cat").open_stdin().spawn();
    let mut running: Vec<_> = (0..10).map(start).collect();
    wait_for("nine refusals", || {
        (running.iter_mut().filter_map(|run| run.is_running().then_some(())).count() == 1)
            .then_some(())
    });
    for run in &mut running {
        run.close_stdin();
    }
    let ended: Vec<_> = running.into_iter().map(|run| run.wait()).collect();
    let codes: Vec<_> = ended.iter().map(|end| end.status().code().unwrap()).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    for end in ended.iter().filter(|end| end.status().code() != Some(0)) {
        end.code(125).stderr_contains("Conflict. The container name \"/one\" is already in use");
    }
    let left = statuses(state);
    assert_eq!((ids(state).len(), left.lines().count()), (1, 1), "{left}");
}

#[test]
fn it_is_killed_at_any_moment_and_no_mount_is_left_and_the_record_is_true() {
    let state = fresh_root();
    let state = state.path();
    minidock(state, "run --rm lab true").run().success();
    for number in 0..24u64 {
        let (token, name) = (random_token(), format!("n{number}"));
        let options = if number % 4 == 1 { "--storage-driver copy" } else { "" };
        let run = minidock(state, "run --rm --name").arg(&name).words(options).arg("lab");
        let run = run.sh("echo x > /new; sleep 600; :").arg(&token).spawn();
        // From before the first call to well after the exec.
        std::thread::sleep(std::time::Duration::from_micros(number * 1700));
        kill(Pid::from_raw(run.pid()), Signal::SIGKILL).unwrap();
        run.wait().killed_by(9);
        let alive = || host::with_token(&token).into_iter().any(host::is_alive);
        wait_for("its end", || (!alive()).then_some(()));
        assert!(!mountinfo().contains(&state.display().to_string()));
        // Nobody says that it runs, or how it ended, for nobody saw it.
        let status = statuses(state);
        let own = status.lines().find(|line| line.starts_with(&format!("{name}=")));
        assert!(own.is_none_or(|line| !line.contains("Up ")), "{status}");
        match number % 2 {
            0 => minidock(state, "rm -f").arg(&name).run().success(),
            _ => minidock(state, "run --rm lab true").run().success(),
        };
    }
    minidock(state, "clean").run().success();
    assert_eq!(ids(state), [] as [String; 0]);
    minidock(state, "run --rm lab true").run().success();
}
