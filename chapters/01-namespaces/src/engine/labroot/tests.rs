//! The life of a lab: made, held, run, left behind by a kill, removed.

use super::super::elf::Elf;
use super::*;
use std::process::{Command, Output};

const INSTALL: &str = "install coreutils and util-linux, or run the tests as root";

fn make(data: &Path) -> Lab {
    ensure(data, probe::PROGRAM, probe::ID).expect("this host has a shell")
}

/// `unshare` with these options, if this account may use it.
fn unshare(options: &[&str]) -> Option<Command> {
    let program = testkit::peer("unshare", INSTALL)?;
    let allowed = Command::new(&program).args(options).arg("true").output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        testkit::skip("this account may not make user namespaces", INSTALL);
        return None;
    }
    let mut command = Command::new(program);
    command.args(options);
    Some(command)
}

/// Runs a command with the lab as its root, so that nothing of the host's can help it.
fn enter(root: &Path, command: &[&str]) -> Option<Output> {
    let chroot = testkit::peer("chroot", INSTALL)?;
    let mut enter = if testkit::is_root() {
        Command::new(chroot)
    } else {
        let mut unshare = unshare(&["-r"])?;
        unshare.arg(chroot);
        unshare
    };
    enter.arg(root).args(command).env_clear().env("PATH", "/bin");
    Some(enter.output().expect("chroot runs"))
}

/// Runs `test` once more, in a mount namespace of its own and after a shell command that mounts something on `$AT`; there it finds [`given_data`].
fn with_mount(mount: &str, at: &Path, data: &Path, test: &str) {
    let Some(mut boxed) = unshare(&["-rm"]) else { return };
    let module = module_path!().split_once("::").expect("a crate comes first").1;
    let output = boxed
        .args(["sh", "-c", &format!("{mount} && exec \"$TEST\" --exact {module}::{test}")])
        .env("TEST", std::env::current_exe().expect("a test has an executable"))
        .env("AT", at)
        .env(DATA, data)
        .output()
        .expect("unshare runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "{output:?}");
}

/// Names the directory to a test that runs in such a namespace.
const DATA: &str = "LABROOT_TEST_DATA";

fn given_data() -> Option<PathBuf> {
    std::env::var_os(DATA).map(PathBuf::from)
}

/// Cleans until nobody holds a lab: a child that another test has just forked shares our open files until it executes.
fn remove_all_free(data: &Path) -> Vec<PathBuf> {
    let mut removed = Vec::new();
    testkit::wait_for("the labs to be free", || {
        let mut outcome = remove_all(data).expect("labs can be removed");
        removed.append(&mut outcome.removed);
        outcome.in_use.is_empty().then_some(())
    });
    removed.sort();
    removed
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("the directory is there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("it is readable").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn two_at_once_make_one_lab_that_runs() {
    let data = tempfile::tempdir().unwrap();
    let labs: Vec<Lab> = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..4).map(|_| scope.spawn(|| make(data.path()))).collect();
        makers.into_iter().map(|maker| maker.join().expect("no maker panics")).collect()
    });
    let root = &labs[0].path;
    for lab in &labs {
        assert!(still_named(&lab.lock, root).unwrap(), "all hold the same directory");
    }
    let lab = root.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(names(&data.path().join("lab")), [".lock".to_owned(), lab]);

    let Some(output) = enter(root, &["/bin/sh", "-c", "ls / && /usr/bin/env /probe true"]) else {
        return;
    };
    assert!(output.status.success(), "{output:?}");
    let expected = "bin dev etc home lib lib64 probe proc root sbin sys tmp usr";
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" "),
        expected
    );
}

#[test]
fn the_loader_finds_everything_inside() {
    let data = tempfile::tempdir().unwrap();
    let lab = make(data.path());
    let mut asked = 0;
    for tool in names(&lab.path.join("bin")) {
        let path = lab.path.join("bin").join(&tool);
        let Some(interpreter) = Elf::read(&path).expect("tools are ELF").interpreter else {
            continue;
        };
        let (interpreter, tool) = (interpreter.display().to_string(), format!("/bin/{tool}"));
        let command = [interpreter.as_str(), "--list", &tool];
        let Some(output) = enter(&lab.path, &command) else { return };
        assert!(output.status.success(), "{tool}: {output:?}");
        assert!(
            !String::from_utf8_lossy(&output.stdout).contains("not found"),
            "{tool}: {output:?}"
        );
        asked += 1;
    }
    let missing = missing();
    for tool in PROMISED.iter().filter(|tool| !missing.contains(tool)) {
        assert!(lab.path.join("bin").join(tool).exists(), "{tool} is promised");
    }
    println!("{asked} dynamic programs");
}

#[test]
fn what_a_kill_left_behind_is_cleared_away() {
    let data = tempfile::tempdir().unwrap();
    let first = make(data.path());
    let key = first.path.file_name().unwrap().to_string_lossy().into_owned();
    let path = first.path.clone();
    drop(first);
    let partial = data.path().join("lab").join(format!(".{key}.partial"));
    fs::rename(&path, &partial).unwrap();
    fs::remove_file(partial.join("probe")).unwrap();

    let second = make(data.path());
    assert!(second.path.join("probe").is_file() && !partial.exists());
    drop(second);
    fs::create_dir_all(partial.join("bin")).unwrap();
    assert_eq!(remove_all_free(data.path()), [partial, path]);
    assert!(names(data.path()).is_empty(), "nothing of ours stays");
}

#[test]
fn a_held_lab_is_spared_until_it_is_dropped() {
    let data = tempfile::tempdir().unwrap();
    let lab = make(data.path());
    let path = lab.path.clone();
    let outcome = remove_all(data.path()).unwrap();
    assert_eq!((outcome.removed.len(), &outcome.in_use), (0, &vec![path.clone()]));
    assert!(path.join("probe").is_file());

    // A forked keeper shares the open file: the lab is held until the last copy is closed.
    let copy = lab.lock.try_clone().unwrap();
    drop(lab);
    assert_eq!(remove_all(data.path()).unwrap().in_use, [path.as_path()]);
    drop(copy);
    assert_eq!(remove_all_free(data.path()), [path]);
    assert!(remove_all_free(data.path()).is_empty(), "a second time there is nothing to do");
}

#[test]
fn a_static_shell_alone_is_a_lab() {
    let (data, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let search = || vec![bin.path().to_owned()];
    let error =
        ensure_from(data.path(), probe::PROGRAM, "none", search).expect_err("there is no shell");
    assert!(format!("{error:#}").contains("a lab needs a shell: sh is not on PATH"), "{error:#}");
    assert_eq!(names(&data.path().join("lab")), [".lock"], "nothing half-made stays");

    labtree::write(&bin.path().join("sh"), 0o4755, |file| {
        io::Write::write_all(file, probe::PROGRAM)
    })
    .unwrap();
    let lab =
        ensure_from(data.path(), probe::PROGRAM, "one", search).expect("a static program will do");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &lab.path.join("bin/sh").metadata().unwrap().permissions(),
    );
    assert_eq!(mode & 0o7777, 0o755, "the setuid bit is dropped");
    let Some(output) = enter(&lab.path, &["/bin/sh", "true"]) else { return };
    assert!(output.status.success(), "{output:?}");
}

/// Nix and Guix keep the loader and every library in a store, named by absolute paths; other bundles
/// name their libraries relative to the program.
#[test]
fn programs_of_a_store_keep_their_paths() {
    let Some(compiler) = testkit::peer("cc", "install gcc") else { return };
    let data = tempfile::tempdir().unwrap();
    let store = fs::canonicalize(data.path()).unwrap().join("store");
    for directory in ["bin", "lib", "opt"] {
        fs::create_dir_all(store.join(directory)).unwrap();
    }
    let test = std::env::current_exe().unwrap();
    let host = super::super::libraries::needs(&test, &test).unwrap();
    let Some(loader) = host.first() else {
        return testkit::skip("a static test binary", "use a glibc target");
    };
    for needed in &host {
        let name = needed.lab.file_name().unwrap();
        fs::copy(&needed.host, store.join("lib").join(name)).unwrap();
    }
    let compile = |source: &str, arguments: &[&str]| {
        fs::write(store.join("x.c"), source).unwrap();
        let output = Command::new(&compiler)
            .current_dir(&store)
            .arg("x.c")
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    compile("int answer(void) { return 42; }", &["-shared", "-fPIC", "-o", "opt/libanswer.so"]);
    let program = "int answer(void); int main(void) { return answer(); }";
    let library = store.join("opt/libanswer.so");
    let loader = store.join("lib").join(loader.lab.file_name().unwrap());
    let (runpath, loader) = (
        format!("-Wl,-rpath,{}/opt", store.display()),
        format!("-Wl,--dynamic-linker={}", loader.display()),
    );
    let link = ["-Lopt", "-lanswer", "-o"];
    compile(
        program,
        &[&link[..], &["bin/sh", "-Wl,--enable-new-dtags", &runpath, &loader]].concat(),
    );
    compile(
        program,
        &[&link[..], &["bin/cat", "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../opt"]].concat(),
    );

    let lab =
        ensure_from(data.path(), probe::PROGRAM, "store", || vec![store.join("bin")]).unwrap();
    let inside = |path: &Path| lab.path.join(path.strip_prefix("/").unwrap());
    assert!(inside(&library).is_file());
    assert!(
        !lab.path.join("lib/libanswer.so").exists(),
        "it is where the program says, and only there"
    );
    let cat = fs::read_link(lab.path.join("bin/cat")).unwrap();
    assert_eq!(cat, store.join("bin/cat"), "what looks beside itself stays where it is");
    let Some(output) = enter(&lab.path, &["/bin/sh"]) else { return };
    assert_eq!(output.status.code(), Some(42), "{output:?}");
}

#[test]
fn a_mount_inside_keeps_a_lab_from_being_removed() {
    if let Some(data) = given_data() {
        let outcome = remove_all(&data).unwrap();
        assert_eq!((outcome.removed.len(), outcome.in_use.len()), (0, 1));
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let source = data.path().join("of the host");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("precious"), "").unwrap();
    let at = make(data.path()).path.join("dev");
    let mount = format!("mount --bind '{}' \"$AT\"", source.display());
    with_mount(&mount, &at, data.path(), "a_mount_inside_keeps_a_lab_from_being_removed");
    assert!(source.join("precious").exists());
    assert_eq!(remove_all_free(data.path()).len(), 1, "here nothing is mounted");
}

#[test]
fn a_full_disk_is_named_and_left_tidy() {
    if let Some(data) = given_data() {
        let error = ensure(&data, probe::PROGRAM, probe::ID).expect_err("a lab is larger");
        let text = error.to_string();
        assert!(text.contains("no space left"), "{text}");
        assert!(text.contains(&*data.to_string_lossy()), "{text}");
        assert_eq!(names(&data.join("lab")), [".lock"], "the half-made lab is gone");
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=256k none \"$AT\"";
    with_mount(mount, data.path(), data.path(), "a_full_disk_is_named_and_left_tidy");
}
