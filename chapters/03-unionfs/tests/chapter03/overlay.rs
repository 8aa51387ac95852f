//! The mechanism: what a container writes is its own, and below it lie layers that nobody writes to.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use testkit::{
    RootDir, fresh_root, host, is_root, random_token, root_or_skip, scratch, shared_root, wait_for,
};

use crate::oci::{Layer, put};
use crate::{minidock, mountinfo};

/// A root with a shell in it: the lab's own files, copied to where an attack may do harm.
fn shell_root(state: &Path) -> (tempfile::TempDir, PathBuf) {
    let dir = scratch();
    let tar = minidock(state, "export").arg("donor");
    minidock(state, "run --name donor lab true").run().success();
    let archive = dir.path().join("tar");
    tar.words("-o").arg(&archive).run().success();
    minidock(state, "rm donor").run().success();
    let root = dir.path().join("rootfs");
    fs::create_dir(&root).unwrap();
    let unpacked = testkit::program("tar").arg("-xf").arg(&archive).arg("-C").arg(&root);
    unpacked.words("--exclude=./dev/*").run().success();
    (dir, root)
}

/// The mount of a container's root: which is an overlay, and its options.
fn root_mount(pid: i32) -> host::Mount {
    host::mounts(pid).into_iter().find(|mount| mount.point == "/").unwrap()
}

#[test]
fn what_one_container_writes_to_its_root_no_other_sees() {
    let state = fresh_root();
    let (_dir, root) = shell_root(state.path());
    let ls = root.join("bin/ls");
    let before = fs::read(&ls).unwrap();
    let attack = minidock(state.path(), "run").arg(&root);
    attack.sh("echo evil > /bin/ls; cat /bin/ls").run().success().stdout("evil\n");
    let second = minidock(state.path(), "run").arg(&root).words("ls /probe").run();
    second.success().stdout("/probe\n");
    assert!(fs::read(&ls).unwrap() == before);
    // Without layers, the same attack reaches whoever comes next.
    let earlier = testkit::chapter(2).state(state.path()).words("run").arg(&root);
    earlier.sh("echo evil > /bin/ls").run().success();
    assert_eq!(fs::read_to_string(&ls).unwrap(), "evil\n");
}

#[test]
fn two_containers_on_one_image_see_their_own_changes_only() {
    let state = shared_root();
    let (one, two) = (random_token(), random_token());
    let script = "echo $0 > /new; echo $0 >> /etc/passwd; rm /bin/ls; echo ready; read go";
    let start = |token: &str| {
        let run = minidock(state, "run --rm -i lab").sh(script).arg(token).open_stdin().spawn();
        run.wait_for_line("ready");
        run
    };
    let running = [start(&one), start(&two)];
    for (run, token) in running.iter().zip([&one, &two]) {
        let seen = PathBuf::from(format!("/proc/{}/root", run.container_pid()));
        assert_eq!(fs::read_to_string(seen.join("new")).unwrap().trim(), token);
        let passwd = fs::read_to_string(seen.join("etc/passwd")).unwrap();
        assert!(passwd.ends_with(&format!("\n{token}\n")) && passwd.matches('\n').count() > 1);
        assert!(!seen.join("bin/ls").exists());
    }
    minidock(state, "run --rm lab").sh("ls /bin/ls; test ! -e /new").run().success();
}

#[test]
fn a_container_lies_on_as_many_layers_as_its_image_has() {
    let state = fresh_root();
    for count in [1, 3, 100] {
        let mut layers = vec![Layer::new().with_probe().file("0", "0").file("same", "0")];
        for number in 1..count {
            let layer = Layer::new().file(number.to_string(), number.to_string());
            layers.push(layer.file("same", number.to_string()).file("one/dir/x", ""));
        }
        let name = format!("layers-{count}");
        put(state.path(), &name, layers);
        let run = minidock(state.path(), "run --rm").arg(&name).words("/probe sleep 600").spawn();
        let pid = run.container_pid();
        let mount = root_mount(pid);
        assert_eq!(mount.kind, "overlay");
        let options = mount.super_options.join(",");
        let lower = options.matches("lowerdir+=").count();
        // Before Linux 6.7, one option has them all.
        let older = options
            .split("lowerdir=")
            .nth(1)
            .map_or(0, |all| all.split(',').next().unwrap().split(':').count());
        assert_eq!(lower.max(older), count, "{options}");
        let seen = PathBuf::from(format!("/proc/{pid}/root"));
        let last = (count - 1).to_string();
        assert_eq!(fs::read_to_string(seen.join("same")).unwrap(), last);
        for number in [0, count / 2, count - 1] {
            let number = number.to_string();
            assert_eq!(fs::read_to_string(seen.join(&number)).unwrap(), number);
        }
    }
}

#[test]
fn many_layers_need_no_more_descriptors_than_a_user_has_and_the_container_gets_no_others() {
    let state = fresh_root();
    let nofile = |limits: &str| -> Vec<String> {
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        line.split_whitespace().skip(3).take(2).map(str::to_owned).collect()
    };
    let most = nofile(&fs::read_to_string("/proc/self/limits").unwrap()).remove(1);
    let deep = "usr/lib/python3/dist-packages/pkg/sub/a/b/c/d";
    for (name, count, directory, options) in
        [("wide", 100, "a/b/c", ""), ("deep", 40, deep, "--storage-driver copy")]
    {
        let layer = |number| Layer::new().file(format!("{directory}/{number}"), "");
        let layers = (1..count).map(layer);
        put(state.path(), name, std::iter::once(Layer::new().with_probe()).chain(layers).collect());
        let usual =
            |words: &str| minidock(state.path(), words).within("ulimit -Sn 256; exec \"$@\"");
        let run = usual("run --rm").words(options).arg(name).words("/probe cat /proc/self/limits");
        let seen = run.run().success().text();
        assert_eq!(nofile(&seen), ["256".to_owned(), most.clone()], "{name}");
        // Of one that somebody else keeps, too, and where more is asked for.
        let create = usual("create --name x --ulimit nofile=1500:1600").words(options).arg(name);
        create.words("/probe cat /proc/self/limits").run().success();
        let seen = usual("start -a x").run().success().text();
        assert_eq!(nofile(&seen), ["1500", "1600"], "{name}");
        minidock(state.path(), "rm x").run().success();
        let few = minidock(state.path(), "run --rm --storage-driver copy").arg(name);
        let few = few.words("/probe true").limit(libc::RLIMIT_NOFILE, 200).run();
        few.code(125)
            .stderr_contains("more than the 200 descriptors")
            .stderr_contains("ulimit -Hn");
    }
}

#[test]
fn our_files_may_lie_anywhere_however_long_the_path_is_and_whatever_is_in_it() {
    let long = vec!["d".repeat(60); 12].join("/");
    for below in [&*long, "a:b,c\\d e", "=x", "lowerdir+=:", &format!("{long}/a:b\\,")] {
        let dir = scratch();
        let state = dir.path().join(below);
        fs::create_dir_all(&state).unwrap();
        let layers = vec![
            Layer::new().with_probe(),
            Layer::new().file("two", ""),
            Layer::new().file("three", ""),
        ];
        put(&state, "x", layers);
        let run = minidock(&state, "run --name kept x /probe queue create /new").run();
        run.success();
        minidock(&state, "diff kept").run().success().stdout("");
        minidock(&state, "rm kept").run().success();
        minidock(&state, "run --name lab lab").sh("echo x > /bin/ls").run().success();
        minidock(&state, "diff lab").run().success().stdout("C /bin\nC /bin/ls\n");
    }
}

#[test]
fn a_path_need_not_be_text() {
    let (dir, directory) = (scratch(), RootDir::new());
    let name = |bytes: &[u8]| dir.path().join(OsStr::from_bytes(bytes));
    let (state, root) = (name(b"state\xfe"), name(b"bad\xff\xfename"));
    fs::create_dir(&state).unwrap();
    symlink(directory.path(), &root).unwrap();
    minidock(&state, "run --name one").arg(&root).words("/probe true").run().success();
    minidock(&state, "start -a one").run().success();
    minidock(&state, "commit one of:it").run().success();
    minidock(&state, "run --rm of:it /probe true").run().success();
    minidock(&state, "run --rm lab true").run().success();
    minidock(&state, "diff one").run().success().stdout("A /dev\nA /proc\nA /sys\n");
    minidock(&state, "rm one").run().success();
}

#[test]
fn nothing_of_a_container_is_in_the_hosts_mount_table() {
    let state = fresh_root();
    let text = state.path().display().to_string();
    for driver in ["overlay", "copy"] {
        let run = minidock(state.path(), "run --rm --storage-driver").arg(driver);
        let run = run.words("lab sleep 600").spawn();
        let pid = run.container_pid();
        let parent = fs::read_to_string(format!("/proc/{}/mountinfo", run.pid())).unwrap();
        for table in [mountinfo(), parent] {
            assert!(!table.contains(&text) || !is_root(), "{table}");
            assert!(!table.contains(&format!("upperdir={text}")), "{table}");
        }
        assert_eq!(root_mount(pid).kind == "overlay", driver == "overlay");
    }
    assert!(!mountinfo().contains(&text));
}

#[test]
fn the_root_is_as_the_layer_below_has_it() {
    let state = fresh_root();
    let root = RootDir::new();
    fs::set_permissions(root.path(), Permissions::from_mode(0o1771)).unwrap();
    let mut owner = (0, 0);
    if is_root() {
        owner = (123, 456);
        chown(root.path(), Some(owner.0), Some(owner.1)).unwrap();
    }
    let run = minidock(state.path(), "run --rm").arg(root.path()).words("/probe sleep 600");
    let run = run.within("umask 077; exec \"$@\"").spawn();
    let seen = fs::metadata(format!("/proc/{}/root", run.container_pid())).unwrap();
    assert_eq!(seen.mode() & 0o7777, 0o1771);
    if is_root() {
        assert_eq!((seen.uid(), seen.gid()), owner);
    }
}

#[test]
fn a_directory_that_was_made_anew_is_opaque_and_a_lower_one_is_not_renamed() {
    let state = fresh_root();
    let script = "set -e
        mkdir /tmp/w; rm -r /etc; mkdir /etc; ls -A /etc
        echo in > /etc/in; ls /etc; read go";
    let run = minidock(state.path(), "run --name a -i lab").sh(script).open_stdin();
    let mut run = run.spawn();
    run.wait_for_line("in");
    let seen = PathBuf::from(format!("/proc/{}/root", run.container_pid()));
    // Programs copy then, as from one disk to another: a layer has to be whole by itself.
    let renamed = fs::rename(seen.join("usr"), seen.join("us"));
    assert_eq!(renamed.unwrap_err().raw_os_error(), Some(libc::EXDEV));
    fs::rename(seen.join("tmp/w"), seen.join("tmp/v")).unwrap();
    run.close_stdin();
    run.wait();
    let diff = minidock(state.path(), "diff a").run().success().text();
    assert!(
        diff.contains("C /etc\n")
            && diff.contains("\nA /etc/in\n")
            && diff.contains("\nD /etc/passwd\n"),
        "{diff}"
    );
    let layer = fs::read_dir(state.path().join("containers")).unwrap().next().unwrap().unwrap();
    let etc = fs::File::open(layer.path().join("upper/etc")).unwrap();
    let name = if is_root() { c"trusted.overlay.opaque" } else { c"user.overlay.opaque" };
    if is_root() {
        assert_eq!(kernel::xattr::get(etc, name).unwrap().as_deref(), Some(&b"y"[..]));
    }
}

#[test]
fn only_what_is_thrown_away_need_not_reach_the_disk() {
    for (options, volatile) in [("--rm", true), ("", false)] {
        let state = fresh_root();
        let run = minidock(state.path(), "run").words(options).words("lab sleep 600").spawn();
        let options = root_mount(run.container_pid()).super_options;
        assert_eq!(
            options.iter().any(|option| option.ends_with("volatile")),
            volatile,
            "{options:?}"
        );
        assert!(
            options
                .iter()
                .any(|option| option == "redirect_dir=nofollow" || option == "redirect_dir=off"),
            "{options:?}"
        );
        assert!(!options.iter().any(|option| option == "metacopy=on" || option == "index=on"));
        assert_eq!(options.iter().any(|option| option == "userxattr"), !is_root(), "{options:?}");
    }
}

#[test]
fn a_read_only_root_takes_no_write() {
    for driver in ["overlay", "copy"] {
        let run = minidock(shared_root(), "run --rm --read-only --storage-driver").arg(driver);
        let run = run
            .arg("lab")
            .sh("(echo x > /bin/ls); (echo x > /new); mkdir /d; test -x /bin/ls")
            .run();
        run.success();
        assert_eq!(run.errors().matches("Read-only file system").count(), 3, "{}", run.errors());
    }
}

#[test]
fn users_are_those_of_the_uppermost_passwd() {
    let state = fresh_root();
    let passwd = |id: u32| format!("root:x:0:0::/:/bin/sh\nalice:x:{id}:{id}::/:/bin/sh\n");
    let base = || Layer::new().with_probe().file("etc/passwd", passwd(7));
    put(state.path(), "old", vec![base()]);
    put(state.path(), "new", vec![base(), Layer::new().file("etc/passwd", passwd(8))]);
    let link = Layer::new().file("etc/real", passwd(9)).link("etc/passwd", "/etc/real");
    put(state.path(), "link", vec![base(), link]);
    put(state.path(), "gone", vec![base(), Layer::new().file("etc/.wh.passwd", "")]);
    if !root_or_skip("other ids than one's own") {
        return;
    }
    for (image, id) in [("old", 7), ("new", 8), ("link", 9)] {
        let run = minidock(state.path(), "run --rm -u alice").arg(image).words("/probe sleep 600");
        let run = run.spawn();
        // It is found a moment before it has become the user.
        wait_for(&format!("user {id}"), || {
            let uid = host::status(run.container_pid(), "Uid")?;
            (uid.split_whitespace().next() == Some(&*id.to_string())).then_some(())
        });
    }
    let gone = minidock(state.path(), "run --rm -u alice gone /probe true").run();
    gone.code(125).stderr_contains("alice");
}
