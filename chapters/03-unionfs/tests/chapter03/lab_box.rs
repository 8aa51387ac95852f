//! An ordinary user has images, layers and overlays of their own, in the lab box.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use testkit::{Program, RootDir, fresh_root, is_root, peer};

/// An account that has no name, no subordinate ids, and nothing to do with the tests.
const STRANGER: u32 = 43210;

#[test]
fn an_ordinary_user_imports_runs_commits_and_compares() {
    if is_root() && peer("setpriv", "apt install util-linux").is_none() {
        return;
    }
    let home = fresh_root();
    let binary = home.path().join("minidock-03");
    fs::copy(testkit::binary(3), &binary).unwrap();
    fs::set_permissions(&binary, Permissions::from_mode(0o755)).unwrap();
    let state = home.path().join("state");
    fs::create_dir(&state).unwrap();
    let root = RootDir::new().file("d/old", "old").file("gone", "").file("kept", "kept");
    fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
    if is_root() {
        chown(&state, Some(STRANGER), Some(STRANGER)).unwrap();
        let chown = testkit::program("chown").words("-R").arg(format!("{STRANGER}:{STRANGER}"));
        chown.arg(root.path()).run().success();
    }
    let run = |words: &str| -> Program {
        let program = testkit::program(&binary).state(&state).words(words);
        if is_root() { program.as_user(STRANGER) } else { program }
    };
    run("import").arg(root.path()).arg("x").run().success();
    let running = run("run --rm --name first x /probe sleep 600").spawn();
    let pid = running.container_pid();
    let mounts = testkit::host::mounts(pid);
    let mount = mounts.iter().find(|mount| mount.point == "/").unwrap();
    assert_eq!(mount.kind, "overlay");
    assert!(mount.super_options.iter().any(|option| option == "userxattr"), "{mount:?}");
    running.signal(nix::sys::signal::Signal::SIGKILL);
    running.wait().killed_by(9);
    testkit::wait_for("its end", || (!testkit::host::is_alive(pid)).then_some(()));
    run("rm first").run().success();
    let script = "echo x > /new; rm /etc/passwd; rm -r /home; mkdir /home; echo y > /home/in";
    run("run --name second lab").sh(script).run().success();
    let diff = run("diff second").run().success().text();
    assert_eq!(diff, "C /etc\nD /etc/passwd\nC /home\nA /home/in\nD /home/learner\nA /new\n");
    for driver in ["overlay", "copy"] {
        let run = run("run --rm --storage-driver").arg(driver).words("x /probe cat /kept").run();
        run.success().stdout("kept");
    }
    // The layer, its whiteouts and its opaque directories come out and in again.
    run("rm second").run().success();
    run("run --name third lab").sh(script).run().success();
    let archive = state.join("tar");
    run("export third -o").arg(&archive).run().success();
    run("import").arg(&archive).arg("lab-image").run().success();
    run("run --name fourth lab-image").sh("rm /new; echo z > /home/in; rm /bin/ls").run().success();
    run("commit fourth y").run().success();
    let seen = run("run --rm y").sh("test ! -e /new; test ! -e /bin/ls; cat /home/in").run();
    seen.success().stdout("z\n");
    run("rm third fourth").run().success();
    run("rmi x y lab-image").run().success();
    // All of it is the account's own, and goes as it came.
    run("clean").run().success();
    let left = ["containers", "layers.user", "layers"].map(|name| state.join(name));
    let left = left.iter().flat_map(fs::read_dir).flatten().count();
    assert_eq!(left, 0);
}
