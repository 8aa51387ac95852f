//! Where a copy goes, and where none can.

use super::*;

/// Docker's rules for DEST, on the host and in a container.
#[test]
fn where_a_copy_goes_depends_on_what_is_there() {
    let (dir, token) = (scratch(), random_token());
    let here = |name: &str| dir.path().join(name).display().to_string();
    for name in ["src/sub", "dir"] {
        fs::create_dir_all(here(name)).unwrap();
    }
    fs::write(here("src/f"), &token).unwrap();
    fs::write(here("file"), "old").unwrap();
    symlink("src", here("to-src")).unwrap();
    symlink("file", here("to-file")).unwrap();
    symlink("new-by-link", here("to-nothing")).unwrap();
    for (command, driver) in WAYS {
        let container = container(command, driver, "lab sleep 600");
        let copied = |source: &str, to: &str, made: &str| {
            cp(&container, &here(source), &format!("@:{to}")).run().success();
            let back = scratch();
            let found = format!("@:{made}");
            cp(&container, &found, text(&back.path().join("x"))).run().success();
            tree(back.path())
        };
        let has = |tree: BTreeMap<String, String>, name: &str| {
            tree.get(name).unwrap_or_else(|| panic!("no {name} in {tree:?}")).clone()
        };
        // A file: into a directory, in place of a file, under a new name.
        assert!(has(copied("src/f", "/tmp", "/tmp/f"), "x").contains(&token));
        assert!(has(copied("src/f", "/tmp/", "/tmp/f"), "x").contains(&token));
        assert!(has(copied("src/f", "/etc/passwd", "/etc/passwd"), "x").contains(&token));
        assert!(has(copied("src/f", "/tmp/g", "/tmp/g"), "x").contains(&token));
        // A directory: into one, as a new one; or what is in it.
        assert!(has(copied("src", "/tmp", "/tmp/src"), "x/f").contains(&token));
        assert!(has(copied("src", "/tmp/new", "/tmp/new"), "x/f").contains(&token));
        assert!(has(copied("src/.", "/tmp/newer", "/tmp/newer"), "x/f").contains(&token));
        assert!(has(copied("src/.", "/home", "/home/f"), "x").contains(&token));
        // Links are copied as such, but with `-L`, or if they are said to be directories.
        assert!(has(copied("to-src", "/tmp", "/tmp/to-src"), "x").contains("to src"));
        assert!(has(copied("to-src/", "/tmp/as-dir", "/tmp/as-dir"), "x/f").contains(&token));
        let followed = |source: &str, to: &str| {
            let cp = minidock(shared_root(), "cp -L").arg(source).arg(to);
            cp.run().success();
        };
        let name = &container.name;
        followed(&here("to-file"), &format!("{name}:/tmp/followed"));
        assert_eq!(content(&container, "/tmp/followed"), "old");
        cp(&container, &here("to-src"), "@:/tmp/to-nothing").run().success();
        followed(&here("to-src"), &format!("{name}:/home"));
        assert_eq!(content(&container, "/home/to-src/f"), token);
        let out = here("out-followed");
        let refused = minidock(shared_root(), "cp -L").arg(format!("{name}:/tmp/to-nothing"));
        // In there, it leads to /tmp/src.
        refused.arg(&out).run().success();
        assert_eq!(fs::read_to_string(format!("{out}/f")).unwrap(), token);
        fs::remove_dir_all(&out).unwrap();

        // The same rules on the host; links to files are followed, and may lead to what is not there.
        let from = |source: &str, to: &str| cp(&container, source, &here(to)).run();
        from("@:/tmp/f", "dir").success();
        from("@:/tmp/f", "file").success();
        from("@:/tmp/src", "dir/").success();
        from("@:/tmp/src/.", "dir/contents").success();
        from("@:/tmp/f", "to-nothing").success();
        for made in ["dir/f", "file", "dir/src/f", "dir/contents/f", "new-by-link"] {
            assert_eq!(fs::read_to_string(here(made)).unwrap(), token, "{made}");
        }
        assert!(fs::symlink_metadata(here("to-nothing")).unwrap().is_symlink());
        fs::write(here("file"), "old").unwrap();
        fs::remove_file(here("new-by-link")).unwrap();
    }
}

#[test]
fn what_cannot_be_copied_is_refused_in_dockers_words() {
    let (dir, state) = (scratch(), shared_root());
    let here = |name: &str| dir.path().join(name).display().to_string();
    fs::write(here("f"), "").unwrap();
    fs::create_dir_all(here("dir/passwd")).unwrap();
    fs::create_dir_all(here("etc")).unwrap();
    fs::create_dir_all(here("mess")).unwrap();
    fs::write(here("mess/etc"), "").unwrap();
    for (command, driver) in WAYS {
        let container = container(command, driver, "lab sleep 600");
        let refused = |source: &str, to: &str, words: &str| {
            let words = words.replace('@', &container.name);
            let refused = cp(&container, source, to).run();
            refused.code(1).stdout("").stderr_contains(&words);
        };
        let (f, dir, nowhere) = (here("f"), here("dir"), here("nowhere"));
        refused("@:/nosuch", &nowhere, "Could not find the file /nosuch in container @");
        refused("@:/etc/passwd/x", &nowhere, "lstat /etc/passwd/x: not a directory");
        refused("@:/etc/passwd/", &nowhere, "lstat /etc/passwd/: not a directory");
        refused("@:/etc/passwd", &here("no/x"), "invalid output path: directory ");
        refused("@:/etc/passwd", &here("no/"), "no such directory");
        refused("@:/etc", &f, "cannot copy directory");
        refused(
            "@:/etc/passwd",
            "/dev/null",
            "must be a directory or a regular file: got a device",
        );
        refused("@:/etc/passwd", &dir, "cannot overwrite directory ");
        refused("@:/etc", &here("mess"), "cannot overwrite non-directory ");
        refused(&f, "@:/no/such/", "Could not find the file /no in container @");
        refused(&f, "@:/no/such", "Could not find the file /no in container @");
        refused(&f, "@:/nosuch/", "no such directory");
        refused(&f, "@:/etc/passwd/", "not a directory");
        refused(&dir, "@:/etc/passwd", "cannot copy directory");
        refused(&here("etc"), "@:/etc/passwd/x", "/etc/passwd/x: not a directory");
        refused(&nowhere, "@:/tmp", &format!("lstat {nowhere}: no such file or directory"));
        refused(&format!("{f}/."), "@:/tmp", "not a directory");
        refused("-", "@:/etc/passwd", "destination \"@:/etc/passwd\" must be a directory");
        refused("-", "@:/nosuch", "destination \"@:/nosuch\" must be a directory");
        refused("@:/etc", "@:/tmp", "copying between containers is not supported");
        refused(text(state), "@:/tmp", "minidock's own files are in it");
        // Nothing is left of what was begun.
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        assert_eq!(fs::read_dir(here("mess")).unwrap().count(), 1);
        if command == "run -d" {
            refused(&f, "@:/dev/null", "must be a directory or a regular file: got a device");
            refused("@:/proc/version", &nowhere, "Could not find the file /proc/version");
            refused("@:/sys/kernel", &nowhere, "Could not find the file /sys/kernel");
        }
    }
    let cp = |words: &str| minidock(state, "cp").directory(dir.path()).words(words).run();
    cp("f x").code(1).stderr_contains("must specify at least one container source");
    cp("./c:/f x").code(1).stderr_contains("must specify at least one container source");
    cp("- -").code(1).stderr_contains("must specify at least one container source");
    let missing = random_token();
    for words in [format!("{missing}:/etc x"), format!("f {missing}:/etc")] {
        cp(&words).code(1).stderr_contains(&format!("No such container: {missing}"));
    }
    for (one, other, words) in
        [("", "x", "source can not be empty"), ("x", "", "destination can not")]
    {
        minidock(state, "cp").arg(one).arg(other).run().code(1).stderr_contains(words);
    }
    let locked = Background::create(state, "--read-only lab true");
    let refused = minidock(state, "cp").arg(here("f")).arg(format!("{}:/tmp", locked.name)).run();
    refused.code(1).stderr_contains("container rootfs is marked read-only");
}
