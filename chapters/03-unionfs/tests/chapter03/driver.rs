//! The other driver, and where overlay cannot stand.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use kernel::xattr;
use testkit::{RootDir, fresh_root, host, outer, root_or_skip, scratch};

use crate::minidock;
use crate::oci::{Layer, put};

#[test]
fn a_copy_is_a_containers_own_and_lies_on_no_overlay() {
    let state = fresh_root();
    let state = state.path();
    let lower = Layer::new().with_probe().file("a", "old").file("gone", "").file("o/x", "");
    let upper = Layer::new().file(".wh.gone", "").file("o/.wh..wh..opq", "").file("b", "");
    put(state, "x", vec![lower, upper]);
    let start = |name: &str| {
        let run = minidock(state, "run --storage-driver copy --name").arg(name);
        let run = run.words("x /probe sleep 600").spawn();
        let pid = run.container_pid();
        (run, PathBuf::from(format!("/proc/{pid}/root")), pid)
    };
    let (_one, first, pid) = start("one");
    let (_two, second, _) = start("two");
    fs::write(first.join("a"), "new").unwrap();
    assert_eq!(fs::read_to_string(second.join("a")).unwrap(), "old");
    assert!(!first.join("gone").exists() && first.join("b").exists());
    assert_eq!(fs::read_dir(first.join("o")).unwrap().count(), 0);
    assert!(host::mounts(pid).iter().all(|mount| mount.kind != "overlay"));
    let layers: Vec<_> = fs::read_dir(state.join("containers")).unwrap().collect();
    assert!(layers.into_iter().all(|layer| layer.unwrap().path().join("fs/probe").exists()));
    minidock(state, "diff one").run().success().stdout("C /a\n");
    minidock(state, "rm -f one two").run().success();
}

#[test]
fn a_file_of_a_directory_may_be_called_like_a_mark() {
    let (state, dir) = (fresh_root(), scratch());
    let root = RootDir::new().file(".wh.a", "kept").file("a", "too").file("d/.wh..wh..opq", "in");
    for directory in ["proc", "sys", "dev"] {
        fs::create_dir(root.at(directory)).unwrap();
    }
    for driver in ["overlay", "copy"] {
        let run = minidock(state.path(), "run --storage-driver").arg(driver).words("--name");
        let run = run.arg(driver).arg(root.path()).words("/probe cat /.wh.a");
        run.run().success().stdout("kept");
        // Nobody who unpacks it takes them for marks, unless it is as the layer of an image.
        let archive = dir.path().join(driver);
        minidock(state.path(), "export -o").arg(&archive).arg(driver).run().success();
        let into = dir.path().join(format!("{driver}-unpacked"));
        fs::create_dir(&into).unwrap();
        let unpack = testkit::program("tar").arg("-xf").arg(&archive).arg("-C").arg(&into);
        unpack.words("--exclude=./dev/*").run().success();
        let read = |name: &str| fs::read_to_string(into.join(name)).unwrap();
        assert_eq!([".wh.a", "a", "d/.wh..wh..opq"].map(read), ["kept", "too", "in"]);
        let image = minidock(state.path(), "commit").arg(driver).run();
        image.code(1).stderr_contains(".wh.a").stderr_contains("try: rename it");
    }
}

#[test]
fn holes_are_not_read_and_stay_holes() {
    let (state, root) = (fresh_root(), RootDir::new().file("huge", "first"));
    // To read all of it would take hours.
    let (size, middle) = (15 << 40, 7 << 40);
    let huge = fs::File::options().write(true).open(root.at("huge")).unwrap();
    huge.set_len(size).unwrap();
    huge.write_all_at(b"middle", middle).unwrap();
    let run = minidock(state.path(), "run --storage-driver copy").arg(root.path());
    let run = run.words("/probe sleep 600").spawn();
    let copy = PathBuf::from(format!("/proc/{}/root/huge", run.container_pid()));
    let seen = fs::metadata(&copy).unwrap();
    assert!(seen.len() == size && seen.blocks() < 400, "{} blocks", seen.blocks());
    let mut piece = [0; 7];
    for (offset, content) in [(0, b"first\0\0"), (middle - 1, b"\0middle")] {
        fs::File::open(&copy).unwrap().read_exact_at(&mut piece, offset).unwrap();
        assert_eq!(&piece, content);
    }
}

#[test]
fn a_signal_ends_it_while_it_is_copied_and_nothing_is_left() {
    // To who waits inside it is passed on, which may take longer than a copy of nothing.
    if !root_or_skip("without root, a signal comes to the lab box first") {
        return;
    }
    let state = fresh_root();
    let root = RootDir::new();
    let left = || fs::read_dir(state.path().join("containers")).unwrap().count();
    // Without --rm it is there, as one that was created, and can be started.
    let cases = [("INT", 130, "--rm"), ("TERM", 143, ""), ("HUP", 129, "--rm"), ("INT", 130, "")];
    for (signal, code, kept) in cases {
        // It is there before the copy begins, and waits: what is blocked stays so through exec.
        let run = minidock(state.path(), "run --storage-driver copy --name x").words(kept);
        let run = run.arg(root.path()).words("/probe exit 5");
        let run = run.within(&format!("kill -s {signal} $$; exec \"$@\""));
        let stopped = run.under(&format!("env --block-signal={signal}")).run();
        let words = format!("stopped by SIG{signal} before the command ran");
        stopped.code(code).stdout("").stderr_contains(&words).stderr_contains("try: run it again");
        assert_eq!(left(), usize::from(kept.is_empty()));
        if kept.is_empty() {
            minidock(state.path(), "start -a x").run().code(5);
            minidock(state.path(), "rm x").run().success();
        }
    }
}

#[test]
fn a_driver_may_be_named_in_the_environment_and_has_to_be_one() {
    let state = fresh_root();
    let run = minidock(state.path(), "run --rm lab cat /proc/self/mountinfo");
    let seen = run.env("MINIDOCK_STORAGE_DRIVER", "copy").run().success().text();
    assert!(!seen.lines().any(|line| line.contains(" / / ") && line.contains(" - overlay ")));
    let wrong = minidock(state.path(), "run --storage-driver aufs lab true").run();
    wrong.code(125).stderr_contains("overlay").stderr_contains("copy");
}

#[test]
fn on_an_overlay_the_remedy_is_named_and_helps() {
    if !root_or_skip("an overlay that ordinary users mount cannot be written to by another") {
        return;
    }
    let (dir, state) = (scratch(), fresh_root());
    put(state.path(), "x", vec![Layer::new().with_probe(), Layer::new().file("a", "")]);
    // On a file system of our own: on one that is an overlay already there is no upper.
    let script = "mount -t tmpfs none $1; cd $1; mkdir lower upper work merged
        mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none merged
        cp -r $3/. merged; export MINIDOCK_ROOT=$1/merged
        code=0; $2 run --rm x /probe true || code=$?; echo $code
        $2 run --rm --storage-driver copy x /probe true; echo $?
        ls merged/containers";
    let session = outer(script).arg(dir.path()).arg(testkit::binary(3)).arg(state.path()).run();
    session.success().stdout("125\n0\n");
    session.stderr_contains("is on an overlay itself, where overlay cannot write: mount: ");
    assert!(!session.errors().contains("lowerdir="), "{}", session.errors());
    session.stderr_contains("try: use --storage-driver copy, or put our files on another");
}

#[test]
fn on_an_overlay_layers_say_what_is_gone() {
    if !root_or_skip("an overlay that ordinary users mount cannot be written to by another") {
        return;
    }
    let (dir, state) = (scratch(), fresh_root());
    let lower = Layer::new().with_probe().file("d/a", "").file("d/b", "").file("gone", "");
    let lower = lower.file("o/old", "").file("anew/old", "").file("d/e/f", "");
    let upper = Layer::new().file("d/.wh.a", "").file(".wh.gone", "").file("d/.wh.e", "");
    let upper = upper.file("o/.wh..wh..opq", "").file("o/new", "");
    let upper = upper.file(".wh.anew", "").file("anew/new", "");
    put(state.path(), "x", vec![lower, upper, Layer::new().file("d/e", "another")]);
    minidock(state.path(), "create --name elsewhere lab true").run().success();
    let script = "mount -t tmpfs none $1; cd $1; mkdir lower upper work merged back; m=$2
        mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none merged
        cp -r $3/. merged; export MINIDOCK_ROOT=$1/merged MINIDOCK_STORAGE_DRIVER=copy
        fails() { code=0; $m \"$@\" || code=$?; echo $code; }
        echo ready; read kept; test $kept = true || { fails run x /probe true; exit; }
        $m run --name x x /probe true; cd merged/containers/*/fs
        find d gone o anew 2> /dev/null | sort | tr '\n' ' '; cd $1
        $m run --name c lab sh -c 'rm -r /home /tmp; rm /etc/passwd; mkdir /tmp; echo > /tmp/new'
        $m diff c > /dev/null; $m commit c y > /dev/null
        $m run --rm y sh -c 'ls -A / /etc /tmp' > seen
        grep -e home -e new -e passwd -e wh seen
        $m --rootless run --rm y sh -c 'test ! -e /home && echo boxed'
        fails diff elsewhere
        cp -a merged/. back; export MINIDOCK_ROOT=$1/back; fails diff x; $m --rootless diff x; echo end";
    let run = outer(script).arg(dir.path()).arg(testkit::binary(3)).arg(state.path());
    let mut session = run.open_stdin().spawn();
    session.wait_for_line("ready");
    // A tmpfs has no attributes of users before Linux 6.6.
    let shell = host::descendants(session.pid()).into_iter().next().unwrap();
    let merged = format!("/proc/{shell}/root{}/merged", dir.path().display());
    let is_kept = xattr::set(fs::File::open(merged).unwrap(), c"user.kept", b"y").is_ok();
    session.write(&format!("{is_kept}\n"));
    session.close_stdin();
    let session = session.wait();
    if !is_kept {
        session.stdout("ready\n125\n").stderr_contains("keeps no mark of what is gone");
        return;
    }
    session.success().stdout("ready\nanew anew/new d d/b d/e o o/new new\nboxed\n1\n1\nend\n");
    session.stderr_contains("container elsewhere was made with our files on no overlay");
    session.stderr_contains("container x was made in the other user namespace, or with our files");
    session.stderr_contains("try: use --rootless");
}
