//! Whose the copies are, and what their owners may do with them.

use super::*;

/// An account that has no name, and nothing to do with the tests.
const STRANGER: u32 = 43211;

#[test]
fn owners_are_kept_if_that_is_asked_for() {
    if !root_or_skip("an ordinary user may give files to nobody") {
        return;
    }
    let dir = scratch();
    let here = |name: &str| dir.path().join(name);
    let (uid, gid) = (random(1000, 50_000) as u32, random(1000, 50_000) as u32);
    fs::create_dir(here("it")).unwrap();
    fs::write(here("it/program"), "").unwrap();
    symlink("x", here("it/link")).unwrap();
    let own = |name: &str| std::os::unix::fs::lchown(here(name), Some(uid), Some(gid)).unwrap();
    ["it", "it/program", "it/link"].into_iter().for_each(own);
    fs::set_permissions(here("it/program"), Permissions::from_mode(0o6755)).unwrap();
    let owner = |path: &Path| {
        let about = fs::symlink_metadata(path).unwrap();
        (about.uid(), about.gid(), about.permissions().mode() & 0o7777)
    };
    for (command, driver) in WAYS {
        let container = container(command, driver, "lab sleep 600");
        let cp = |options: &str, source: String, to: String| {
            minidock(shared_root(), "cp").words(options).arg(source).arg(to).run().success();
        };
        let (it, name) = (text(&here("it")).to_owned(), &container.name);
        cp("", it.clone(), format!("{name}:/plain"));
        cp("-a", it.clone(), format!("{name}:/kept"));
        for (from, options, expected) in [
            // A program that runs as root out here is not for a container to make.
            ("plain", "", (0, 0, 0o755)),
            ("kept", "", (0, 0, 0o755)),
            ("plain", "-a", (0, 0, 0o6755)),
            ("kept", "--archive", (uid, gid, 0o6755)),
        ] {
            let out = scratch();
            cp(options, format!("{name}:/{from}"), text(&out.path().join("x")).into());
            assert_eq!(owner(&out.path().join("x/program")), expected, "{from} {options}");
            for other in ["x", "x/link"] {
                let (uid, gid, _) = owner(&out.path().join(other));
                assert_eq!((uid, gid), (expected.0, expected.1), "{other}: {from} {options}");
            }
        }
        // An archive says whose its files are.
        let tar = program("tar").words("c -C").arg(dir.path()).arg("it").run();
        for (options, expected) in [("", "0:0\n".into()), ("-a", format!("{uid}:{gid}\n"))] {
            let cp = minidock(shared_root(), "cp -").arg(format!("{name}:/home")).words(options);
            cp.stdin(tar.bytes()).run().success();
            minidock(shared_root(), "start").arg(name).run().success();
            let stat = minidock(shared_root(), "exec").arg(name);
            stat.words("stat -c %u:%g /home/it/program").run().success().stdout(&expected);
        }
    }
}

#[test]
fn devices_are_copied_as_such_and_are_on_the_host_their_owners_alone() {
    if !root_or_skip("only root may make a device") {
        return;
    }
    let (dir, out) = (scratch(), scratch());
    // Of a number that no driver has: to open it would fail.
    let number = makedev(511, random(1, 1 << 19));
    let mode = Mode::from_bits_truncate(0o666);
    for (name, kind) in [("block", SFlag::S_IFBLK), ("char", SFlag::S_IFCHR)] {
        mknod(&dir.path().join(name), kind, mode, number).unwrap();
        fs::set_permissions(dir.path().join(name), Permissions::from_mode(0o666)).unwrap();
    }
    for (command, driver) in WAYS {
        let container = container(command, driver, "lab sleep 600");
        cp(&container, text(dir.path()), "@:/devices").run().success();
        minidock(shared_root(), "start").arg(&container.name).run().success();
        let stat = minidock(shared_root(), "exec").arg(&container.name);
        let stat = stat.words("stat -c %a /devices/block /devices/char").run();
        stat.success().stdout("666\n666\n");
        let to = out.path().join(format!("{command} {driver}"));
        cp(&container, "@:/devices", text(&to)).run().success();
        for (name, kind) in [("block", SFlag::S_IFBLK), ("char", SFlag::S_IFCHR)] {
            let about = fs::metadata(to.join(name)).unwrap();
            assert_eq!((about.rdev(), about.mode()), (number, kind.bits() | 0o600));
        }
    }
}

#[test]
fn an_ordinary_user_copies_what_is_theirs() {
    if is_root() && peer("setpriv", "apt install util-linux").is_none() {
        return;
    }
    let (home, it) = (scratch(), everything());
    let binary = home.path().join("minidock-03");
    fs::copy(testkit::binary(3), &binary).unwrap();
    fs::set_permissions(&binary, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(it.path().join("it/none"), Permissions::from_mode(0o444)).unwrap();
    let expected = tree(it.path());
    for name in ["state", "out"] {
        fs::create_dir(home.path().join(name)).unwrap();
        if is_root() {
            chown(home.path().join(name), Some(STRANGER), Some(STRANGER)).unwrap();
        }
    }
    if is_root() {
        let chown = program("chown").words("-hR").arg(format!("{STRANGER}:{STRANGER}"));
        chown.arg(it.path()).run().success();
    }
    let run = |words: &str| {
        let program = program(&binary).state(&home.path().join("state")).words(words);
        if is_root() { program.as_user(STRANGER) } else { program }
    };
    for (command, driver) in WAYS {
        let name = format!("{}-{driver}", &command[..1]);
        let options = format!("--storage-driver {driver} --name {name} lab sleep 600");
        run(command).words(&options).run().success();
        run("cp").arg(it.path().join("it")).arg(format!("{name}:/tmp")).run().success();
        let out = home.path().join("out").join(&name);
        run(&format!("cp {name}:/tmp/.")).arg(&out).run().success();
        assert_eq!(tree(&out), expected, "{command} {driver}");
        let uid = fs::metadata(out.join("it/file")).unwrap().uid();
        assert_eq!(uid, if is_root() { STRANGER } else { nix::unistd::geteuid().as_raw() });
        run(&format!("rm -f {name}")).run().success();
    }
}
