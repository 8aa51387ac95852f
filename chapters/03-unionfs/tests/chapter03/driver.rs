//! The other driver, and where overlay cannot stand.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

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
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    // On a file system of our own: on one that is an overlay already there is no upper.
    let script = "mount -t tmpfs none $1; cd $1; mkdir lower upper work merged
        mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none merged
        cp -r $3/. merged; export MINIDOCK_ROOT=$1/merged
        code=0; $2 run --rm x /probe true || code=$?; echo $code
        $2 run --rm --storage-driver copy x /probe true; echo $?
        ls merged/containers";
    let session = outer(script).arg(dir.path()).arg(testkit::binary(3)).arg(state.path()).run();
    session.success().stdout("125\n0\n");
    session.stderr_contains("is on an overlay itself, where overlay cannot write");
    session.stderr_contains("try: use --storage-driver copy, or put our files on another");
}
