//! `diff` says what a container has changed, with both drivers and in docker's letters.

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
