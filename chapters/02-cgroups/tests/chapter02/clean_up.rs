//! `clean` removes the groups that nobody minds, with what is in them, and spares every container that runs.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{host, random_token, wait_for};

use crate::{SLEEP, container, may_limit, minidock};

#[test]
fn what_nobody_minds_goes_and_what_runs_stays() {
    if !may_limit() {
        return;
    }
    let one = container("", SLEEP);
    let token = random_token();
    let two = container("--pid host", &format!("sleep 600; : {token}"));
    let own = host::cmdline(two.running.pid());
    let keeper = wait_for("the keeper", || {
        let below = host::descendants(two.running.pid());
        below.into_iter().find(|&pid| host::cmdline(pid) == own)
    });
    // As where the machine's memory was short: the keeper first, then the command line.
    for pid in [keeper, two.running.pid()] {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    let name = two.name.clone();
    drop(two);
    let state = testkit::fresh_root();
    let clean = || minidock("clean").state(state.path()).run();
    // Another test's `clean` may have been first, which nobody can tell apart.
    clean().success();
    crate::leaves_nothing(&name);
    wait_for("its end", || {
        (!host::with_token(&token).into_iter().any(host::is_alive)).then_some(())
    });
    assert!(host::is_alive(one.pid));
    assert_eq!(one.core().processes(), [one.pid]);
    let again = clean();
    again.success().stdout_lacks(&one.name).stdout_lacks(&name);
}
