//! `diff` says what a container has changed, with both drivers and in docker's letters.

use std::fs::File;

use kernel::xattr;
use testkit::{RootDir, fresh_root};

use crate::minidock;

#[test]
fn what_is_added_changed_and_deleted_is_listed() {
    let state = fresh_root();
    let root =
        RootDir::new().file("etc/a", "a").file("etc/b", "b").file("d/s/x", "").file("kept", "");
    let root = root.symlink("link", "kept").file("empty", "").directory("swap/in").file("file", "");
    for directory in ["proc", "sys", "dev", "bin", "lib", "lib64", "usr"] {
        std::fs::create_dir_all(root.at(directory)).unwrap();
    }
    for driver in ["overlay", "copy"] {
        let run = |words: &str| {
            let run = minidock(state.path(), "run --storage-driver").arg(driver);
            run.words("--name").arg(driver).arg(root.path()).words(words).run()
        };
        run("/probe true").success();
        minidock(state.path(), "diff").arg(driver).run().success().stdout("");
        minidock(state.path(), "rm").arg(driver).run().success();
        let script = "rm /etc/passwd; mkdir /new /new/sub; echo > /new/sub/x; rm -r /home
            mkdir -p /etc/ld.so.conf.d; chmod 700 /usr; ln -s x /tmp/link";
        let lab = minidock(state.path(), "run --storage-driver").arg(driver);
        lab.words("--name").arg(driver).arg("lab").sh(script).run().success();
        let diff = minidock(state.path(), "diff").arg(driver).run().success().text();
        let lines: Vec<&str> = diff.lines().collect();
        for line in [
            "C /etc",
            "D /etc/passwd",
            "A /new",
            "A /new/sub",
            "A /new/sub/x",
            "D /home",
            "C /usr",
            "C /tmp",
            "A /tmp/link",
        ] {
            assert!(lines.contains(&line), "{driver}: {line} is not in {diff}");
        }
        assert!(!diff.contains("/bin/ls") && !diff.contains(".wh."), "{diff}");
        let mut sorted = lines.clone();
        sorted.sort_by_key(|line| line[2..].split('/').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(lines, sorted);
        minidock(state.path(), "rm").arg(driver).run().success();
    }
}

#[test]
fn both_drivers_have_the_same_list() {
    let state = fresh_root();
    // Also a copy has what is changed beside what it is changed in.
    for (script, expected) in [
        ("touch /etc/passwd", "C /etc\nC /etc/passwd\n"),
        ("chmod 600 /etc/group", "C /etc\nC /etc/group\n"),
        ("ln /etc/passwd /tmp/again", "C /etc\nC /etc/passwd\nC /tmp\nA /tmp/again\n"),
        (
            "rm /etc/passwd; mkdir /etc/passwd; echo > /etc/passwd/x",
            "C /etc\nC /etc/passwd\nA /etc/passwd/x\n",
        ),
        ("rm -r /home; echo > /home", "C /home\n"),
        ("rm -r /home/*", "C /home\nD /home/learner\n"),
        ("cat /etc/passwd; ls -l /home", ""),
    ] {
        for driver in ["overlay", "copy"] {
            let run = minidock(state.path(), "run --name x --storage-driver").arg(driver);
            run.arg("lab").sh(script).run().success();
            let diff = minidock(state.path(), "diff x").run();
            assert_eq!(diff.success().text(), expected, "{driver}: {script}");
            minidock(state.path(), "rm x").run().success();
        }
    }
}

#[test]
fn an_attribute_is_a_change_of_its_file() {
    let state = fresh_root();
    for driver in ["overlay", "copy"] {
        let run = minidock(state.path(), "run -i --name x --storage-driver").arg(driver);
        let mut run = run.arg("lab").sh("echo ready; read line; :").open_stdin().spawn();
        run.wait_for_line("ready");
        let path = format!("/proc/{}/root/etc/passwd", run.container_pid());
        let file = File::options().append(true).open(path).unwrap();
        let is_kept = xattr::set(&file, c"user.new", b"1").is_ok();
        run.close_stdin();
        run.wait().success();
        let diff = minidock(state.path(), "diff x").run().success().text();
        // A tmpfs has none of users before Linux 6.6.
        assert!(diff == "C /etc\nC /etc/passwd\n" || !is_kept, "{driver}: {diff}");
        minidock(state.path(), "rm x").run().success();
    }
}
