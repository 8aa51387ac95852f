//! `cp`: files out of containers and into them, running or not, with both drivers.

mod destinations;
mod hostile;
mod owners;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use tempfile::TempDir;
use testkit::{
    Program, is_root, peer, program, random_token, root_or_skip, scratch, shared_root, wait_for,
};

use crate::background::Background;
use crate::oci::Layer;
use crate::{minidock, random};

/// Each state in which a container may be copied from and to, with each driver.
const WAYS: [(&str, &str); 4] =
    [("create", "overlay"), ("run -d", "overlay"), ("create", "copy"), ("run -d", "copy")];

fn container(command: &str, driver: &str, words: &str) -> Background {
    let options = format!("--storage-driver {driver} {words}");
    match command {
        "create" => Background::create(shared_root(), &options),
        _ => Background::run(shared_root(), &options),
    }
}

fn sleeper() -> Background {
    Background::run(shared_root(), "lab sleep 600")
}

/// `cp SRC DEST`, in which `@` stands for the container's name.
fn cp(container: &Background, source: &str, destination: &str) -> Program {
    let full = |text: &str| text.replace('@', &container.name);
    minidock(shared_root(), "cp").arg(full(source)).arg(full(destination))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What a container has in a file; where it does not run, it is started for that.
fn content(container: &Background, path: &str) -> String {
    minidock(shared_root(), "start").arg(&container.name).run().success();
    minidock(shared_root(), "exec").arg(&container.name).words("cat").arg(path).run().text()
}

/// All that is in a directory: what it is, its mode, what it says, and when it was changed.
fn tree(directory: &Path) -> BTreeMap<String, String> {
    let mut tree = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let (path, about) = entry.map(|entry| (entry.path(), entry.metadata().unwrap())).unwrap();
        let kind = about.file_type();
        let name = path.strip_prefix(directory).unwrap().display().to_string();
        let content = match () {
            () if kind.is_dir() => {
                let below = tree_of(&path, &name);
                tree.extend(below);
                "a directory".into()
            }
            () if kind.is_symlink() => format!("to {}", fs::read_link(&path).unwrap().display()),
            () if kind.is_file() => fs::read_to_string(&path).unwrap(),
            () if kind.is_fifo() => "a FIFO".into(),
            () if kind.is_socket() => "a socket".into(),
            () => format!("device {}", about.rdev()),
        };
        let mode = about.permissions().mode();
        let time = (about.mtime(), about.mtime_nsec());
        tree.insert(name, format!("{mode:o} {content:?} {time:?} {}", links(&about)));
    }
    tree
}

fn tree_of(directory: &Path, prefix: &str) -> BTreeMap<String, String> {
    tree(directory).into_iter().map(|(name, about)| (format!("{prefix}/{name}"), about)).collect()
}

fn links(about: &fs::Metadata) -> u64 {
    if about.is_dir() { 0 } else { about.nlink() }
}

/// A directory `it` with something of every kind in it.
fn everything() -> TempDir {
    let dir = scratch();
    let it = dir.path().join("it");
    fs::create_dir_all(it.join("sub/deep/.wh.x")).unwrap();
    fs::create_dir(it.join("empty")).unwrap();
    fs::write(it.join("file"), random_token()).unwrap();
    fs::write(it.join("sub/program"), random_token()).unwrap();
    fs::write(it.join("none"), "").unwrap();
    fs::write(it.join("a\nstrange ü name"), random_token()).unwrap();
    fs::hard_link(it.join("file"), it.join("sub/again")).unwrap();
    symlink("../file", it.join("sub/link")).unwrap();
    symlink("/nowhere/at all", it.join("dangling")).unwrap();
    mknod(&it.join("fifo"), SFlag::S_IFIFO, Mode::S_IRUSR, 0).unwrap();
    drop(UnixListener::bind(it.join("socket")).unwrap());
    let mode = |name: &str, mode| {
        fs::set_permissions(it.join(name), Permissions::from_mode(mode)).unwrap();
    };
    mode("sub/program", 0o751);
    // Root alone could read it, and here we look into it, too.
    mode("none", if testkit::is_root() { 0 } else { 0o400 });
    mode("empty", 0o1777);
    let long_ago = SystemTime::UNIX_EPOCH + Duration::new(random(1, 1 << 30), 123_456_789);
    for name in ["file", "sub", "empty", ""] {
        fs::File::open(it.join(name)).unwrap().set_modified(long_ago).unwrap();
    }
    dir
}

#[test]
fn a_tree_goes_in_and_comes_out_as_it_was_in_every_state_and_with_every_driver() {
    let original = everything();
    let (it, expected) = (original.path().join("it"), tree(original.path()));
    assert_eq!(expected.len(), 14);
    for (command, driver) in WAYS {
        let (container, out) = (container(command, driver, "lab sleep 600"), scratch());
        let all = |source: &str, to: &str| {
            cp(&container, source, to).run().success().stdout("").stderr("");
        };
        all(text(&it), "@:/tmp");
        all("@:/tmp/it", text(out.path()));
        assert_eq!(tree(out.path()), expected, "{command} {driver}");
        // Once more over itself, and by all the ways that Docker knows.
        all(text(&it), "@:/tmp");
        all(&format!("{}/.", text(&it)), "@:/tmp/it/");
        all(&format!("{}/", text(&it)), "@:tmp/other");
        all("@:/tmp/other/.", text(&out.path().join("it/")));
        all("@:/tmp/../tmp/./other", text(&out.path().join("third")));
        let mut seen = tree(out.path());
        let third: Vec<String> =
            seen.keys().filter(|name| name.starts_with("third")).cloned().collect();
        assert_eq!(third.len(), expected.len());
        for name in third {
            let about = seen.remove(&name).unwrap();
            assert_eq!(Some(&about), expected.get(&name.replacen("third", "it", 1)), "{name}");
        }
        // What was there before stays what it was, and its time is that of what was put in it.
        let mut expected = expected.clone();
        assert_ne!(seen.remove("it"), expected.remove("it"));
        assert_eq!(seen, expected, "{command} {driver}");
        // They belong to root in there, and are what the container's processes see.
        let stat =
            "stat -c %u:%g /tmp/it /tmp/it/file /tmp/it/dangling /tmp/it/fifo /tmp/it/socket";
        minidock(shared_root(), "start").arg(&container.name).run().success();
        let owners = minidock(shared_root(), "exec").arg(&container.name).words(stat).run();
        owners.success().stdout(&"0:0\n".repeat(5));
        let file = fs::read_to_string(it.join("file")).unwrap();
        assert_eq!(content(&container, "/tmp/it/sub/again"), file);
    }
}

#[test]
fn what_is_copied_into_a_stopped_container_is_a_change_of_its_own() {
    let state = shared_root();
    let (dir, token) = (scratch(), random_token());
    fs::write(dir.path().join("f"), &token).unwrap();
    let from = text(dir.path()).to_owned() + "/f";
    for (command, driver) in WAYS {
        let (one, other) =
            (container(command, driver, "lab true"), container("create", driver, "lab true"));
        minidock(state, "start").arg(&one.name).run().success();
        minidock(state, "wait").arg(&one.name).run().success();
        cp(&one, &from, "@:/etc/passwd").run().success();
        cp(&one, &from, "@:/bin/f").run().success();
        let diff = minidock(state, "diff").arg(&one.name).run().success().text();
        assert_eq!(diff, "C /bin\nA /bin/f\nC /etc\nC /etc/passwd\n", "{driver}");
        // Not in the layers below, which are all that one that has never run has.
        let whole = minidock(state, "export").arg(&other.name).run();
        let names = program("tar").words("t").stdin(whole.success().bytes()).run().text();
        assert!(names.contains("\netc/passwd\n") && !names.contains("\nbin/f\n"), "{names}");
        let out = dir.path().join("out");
        cp(&other, "@:/etc/passwd", text(&out)).run().success();
        assert!(!fs::read_to_string(&out).unwrap().contains(&token));
        cp(&other, "@:/bin/f", text(&out)).run().code(1);
        // What it has removed is gone, whatever lies below.
        let gone = container("run -d", driver, "lab rm -r /etc");
        minidock(state, "wait").arg(&gone.name).run().success();
        let refused = cp(&gone, "@:/etc/passwd", text(&out)).run();
        refused.code(1).stderr_contains("Could not find the file /etc/passwd in container ");
        cp(&gone, &from, "@:/etc").run().success();
        cp(&gone, "@:/etc", text(&out)).run().success();
        assert_eq!(fs::read_to_string(&out).unwrap(), token);
        fs::remove_file(&out).unwrap();
    }
}

#[test]
fn an_archive_comes_out_and_goes_in() {
    let original = everything();
    let names = |archive: &[u8]| {
        let tar = program("tar").words("t").stdin(archive).run().success().text();
        let mut names: Vec<String> = tar.lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    for (command, driver) in WAYS {
        let container = container(command, driver, "lab sleep 600");
        cp(&container, text(&original.path().join("it")), "@:/tmp").run().success();
        let archive = |source: &str| cp(&container, source, "-").run();
        assert_eq!(names(archive("@:/etc/passwd").success().bytes()), ["passwd"]);
        let whole = archive("@:/tmp/it");
        let out = scratch();
        let tar =
            program("tar").words("xp -C").arg(out.path()).stdin(whole.success().bytes()).run();
        tar.success();
        // tar(1) has no sockets.
        let mut expected = tree(original.path());
        expected.remove("it/socket").unwrap();
        assert_eq!(tree(out.path()), expected);
        let contents = names(archive("@:/tmp/it/.").success().bytes());
        assert!(
            contents.contains(&"./".into()) && contents.contains(&"file".into()),
            "{contents:?}"
        );
        assert!(names(archive("@:/tmp/it/").success().bytes()).contains(&"it/file".into()));
        archive("@:/nosuch").code(1).stdout("");
        // And in again, also in gzip.
        for (program, place) in [("cat", "/home"), ("gzip", "/root")] {
            let packed = testkit::program(program).stdin(whole.bytes()).run();
            let to = format!("@:{place}");
            cp(&container, "-", &to).stdin(packed.bytes()).run().success().stdout("").stderr("");
            let back = scratch();
            cp(&container, &format!("@:{place}/it"), text(back.path())).run().success();
            assert_eq!(tree(back.path()), expected);
        }
        let xz = cp(&container, "-", "@:/tmp").stdin(b"\xfd7zXZ\0").run();
        xz.code(1).stderr_contains("try: xz -dc FILE | minidock-03 cp - CONTAINER:DIR");
        let damaged = &whole.bytes()[..700];
        cp(&container, "-", "@:/tmp").stdin(damaged).run().code(1).stderr_contains("archive");
        // Who reads it may have had enough.
        let cp =
            cp(&container, "@:/", "-").within("{ \"$@\"; echo $? >&2; } | head -c 100 | wc -c");
        assert_eq!(cp.run().success().stderr("0\n").trimmed(), "100");
        let full = self::cp(&container, "@:/etc", "-").within("\"$@\" > /dev/full").run();
        full.code(1).stderr_contains("try: free some space where it goes, or send it elsewhere");
    }
}

#[test]
fn a_container_that_is_copied_into_starts_after_that() {
    let state = shared_root();
    let container = Background::create(state, "--rm lab cat /tmp/f");
    let (token, archive) = (random_token(), Layer::new());
    let archive = archive.file("f", &token).archive();
    let archive = String::from_utf8(archive).expect("it is all ASCII");
    let mut copy = cp(&container, "-", "@:/tmp").open_stdin().spawn();
    copy.write(&archive[..512]);
    let lock = state.join("containers").join(&container.id).join("lock");
    wait_for("the copy to begin", || lock.exists().then_some(()));
    let mut start = minidock(state, "start -a").arg(&container.name).spawn();
    std::thread::sleep(Duration::from_millis(300));
    assert!(start.is_running() && copy.is_running());
    copy.write(&archive[512..]);
    copy.close_stdin();
    copy.wait().success();
    start.wait().success().stdout(&token);
}

#[test]
fn one_that_waits_to_be_started_again_is_copied_from_and_to() {
    let (dir, token) = (scratch(), random_token());
    fs::write(dir.path().join("f"), &token).unwrap();
    let script = "test -e /ready && exec sleep 600; echo begun > /begun; exit 1";
    let container = Background::run(shared_root(), "--restart always lab true");
    drop(container);
    let name = format!("c{}", random_token());
    let run = minidock(shared_root(), "run -d --restart always --name").arg(&name).arg("lab");
    let id = run.sh(script).run().success().trimmed();
    let container = Background::known(shared_root(), name, id);
    wait_for("its first end", || {
        let out = cp(&container, "@:/begun", text(&dir.path().join("begun"))).run();
        out.status().success().then_some(())
    });
    for number in 0..5 {
        cp(&container, text(&dir.path().join("f")), &format!("@:/f{number}")).run().success();
    }
    cp(&container, text(&dir.path().join("f")), "@:/ready").run().success();
    wait_for("its next start", || {
        let cat = minidock(shared_root(), "exec").arg(&container.name).words("cat /f0 /f4").run();
        (cat.text() == token.repeat(2)).then_some(())
    });
}

#[test]
fn how_much_was_copied_is_told_to_a_person_only() {
    let (container, dir) = (Background::create(shared_root(), "lab true"), scratch());
    fs::write(dir.path().join("f"), "four").unwrap();
    let f = dir.path().join("f");
    cp(&container, text(&f), "@:/tmp/f").run().success().stdout("").stderr("");
    let mut on_terminal = cp(&container, text(&f), "@:/tmp/f").on_terminal(24, 200);
    let words = format!("Successfully copied 2.05kB to {}:/tmp/f", container.name);
    on_terminal.read_until(&words);
    assert_eq!(on_terminal.wait().code(), Some(0));
    let quiet = minidock(shared_root(), "cp -q").arg(&f).arg(format!("{}:/tmp/f", container.name));
    let mut quiet = quiet.on_terminal(24, 200);
    assert_eq!(quiet.wait().code(), Some(0));
    assert_eq!(quiet.screen(), "");
    let mut refused = cp(&container, "@:/tmp/f", "-").on_terminal(24, 200);
    refused.read_until("cowardly refusing");
    assert_eq!(refused.wait().code(), Some(1));
}
