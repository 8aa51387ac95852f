//! Bad input: the message names the cause, the remedy follows where one is known, the exit code says whose fault it is,
//! and nothing outside of the root has been touched.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use testkit::{Output, RootDir, random_token};

use crate::{minidock, on_outer_host, run_in};

/// `minidock-01: CAUSE` and, on the next line, `  try: REMEDY`.
#[track_caller]
fn refuses(session: &Output, code: i32, cause: &str) {
    session.code(code).stdout("").stderr_contains(cause).stderr_contains("\n  try: ");
    let binary = testkit::binary(1);
    let name = binary.file_name().unwrap().to_string_lossy().into_owned();
    session.claim(
        session.errors().starts_with(&format!("{name}: ")),
        &format!("{name}: at the beginning"),
    );
    session.claim(session.errors().lines().count() == 2, "two lines");
}

#[test]
fn a_root_that_is_missing_or_a_file() {
    let root = RootDir::new();
    let missing = root.at("/missing");
    refuses(&run_in("", &missing).arg("true").run(), 125, &missing.display().to_string());
    refuses(&run_in("", &root.at("/probe")).arg("true").run(), 125, "is not a directory");
    refuses(&run_in("", Path::new("/dev/null")).arg("true").run(), 125, "/dev/null");
    refuses(&run_in("", Path::new("./nowhere")).arg("true").run(), 125, "./nowhere");
}

#[test]
fn a_word_that_is_no_root() {
    let session = minidock("run alpine true").run();
    refuses(&session, 125, "alpine");
    session.stderr_contains("lab");
}

#[test]
fn a_command_that_is_not_there() {
    refuses(&minidock("run lab no-such-command").run(), 127, "no-such-command");
    refuses(&minidock("run lab /no/such/file").run(), 127, "/no/such/file");
    refuses(&minidock("run --init lab no-such-command").run(), 127, "no-such-command");
    refuses(&minidock("run lab").arg("").run(), 127, "\"\"");
    refuses(&run_in("", RootDir::new().path()).run(), 127, "/bin/sh");
}

#[test]
fn a_command_that_cannot_be_executed() {
    let root = RootDir::new().file("/data", "no program").directory("/directory");
    refuses(&run_in("", root.path()).arg("/data").run(), 126, "permission denied");
    refuses(&minidock("run lab /etc").run(), 126, "is a directory");
    refuses(&run_in("", root.path()).arg("/directory").run(), 126, "is a directory");
    let root = RootDir::new().program("/text", "no program\n").program("/empty", "");
    refuses(&run_in("", root.path()).arg("/text").run(), 126, "exec format error");
    refuses(&run_in("", root.path()).arg("/empty").run(), 126, "exec format error");
    // In $PATH, one that may not be executed is passed over for one that may.
    let root = RootDir::new()
        .file("/usr/local/bin/command", "no program")
        .program("/bin/command", probe::PROGRAM);
    run_in("", root.path()).words("command true").run().success();
    fs::set_permissions(root.at("/bin/command"), Permissions::from_mode(0o644)).unwrap();
    refuses(&run_in("", root.path()).words("command true").run(), 126, "permission denied");
}

#[test]
fn an_interpreter_or_a_loader_that_is_missing() {
    let shell = fs::read("/bin/sh").unwrap();
    let root = RootDir::new()
        .program("/script", "#!/no/such/interpreter -x\n")
        .program("/good", "#!/probe true\n")
        .program("/dynamic", shell)
        .symlink("/dangling", "/nowhere");
    refuses(&run_in("", root.path()).arg("/script").run(), 127, "/no/such/interpreter");
    // The kernel itself runs a script's interpreter with one argument and the script's name: three words for /probe.
    run_in("", root.path()).arg("/good").run().code(2);
    refuses(&run_in("", root.path()).arg("/dangling").run(), 127, "/dangling");
    let session = run_in("", root.path()).arg("/dynamic").run();
    // A static busybox needs no loader, and then runs.
    if session.status().code() != Some(0) {
        refuses(&session, 127, "ld-");
    }
}

#[test]
fn a_mount_point_that_leads_outside() {
    for name in ["/proc", "/sys", "/dev"] {
        let outside = testkit::scratch();
        fs::write(outside.path().join("canary"), "sings").unwrap();
        let root = RootDir::new().symlink(name, outside.path());
        refuses(&run_in("", root.path()).words("/probe true").run(), 125, "symbolic link");
        let up = RootDir::new()
            .symlink(name, format!("{}{}", "../".repeat(30), outside.path().display()));
        refuses(&run_in("", up.path()).words("/probe true").run(), 125, "symbolic link");
        let names: Vec<_> =
            fs::read_dir(outside.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["canary"], "{name}");
        assert!(fs::symlink_metadata(root.at(name)).unwrap().is_symlink());
        refuses(
            &run_in("", RootDir::new().file(name, "").path()).words("/probe true").run(),
            125,
            "not a directory",
        );
    }
}

#[test]
fn a_root_without_mount_points_that_cannot_be_written() {
    // From chapter 03 on a container makes them in a layer of its own.
    if std::env::var_os("MINIDOCK_BIN_01").is_some() {
        return;
    }
    let root = RootDir::new();
    let script = r#"mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; exec "$MINIDOCK" run "$1" /probe true"#;
    let session = on_outer_host(script, &root.at("/probe")).arg(root.path()).run();
    refuses(&session, 125, "EROFS");
}

#[test]
fn a_hostname_that_is_too_long() {
    let longest = "h".repeat(64);
    minidock("run --hostname")
        .arg(&longest)
        .words("lab hostname")
        .run()
        .success()
        .stdout(&format!("{longest}\n"));
    let session = minidock("run --hostname").arg(format!("{longest}h")).words("lab true").run();
    refuses(&session, 125, "64");
    minidock("run --hostname").arg("").words("lab true").run().code(125);
    // There is no name of its own to set where the host's is shared.
    minidock("run --uts host --hostname name lab true").run().code(125).stderr_contains("--uts");
}

#[test]
fn a_working_directory_that_is_missing() {
    // A later chapter would make one, where it can.
    refuses(&minidock("run -w /proc/no/such lab true").run(), 125, "/proc/no/such");
    refuses(&minidock("run -w /etc/passwd lab true").run(), 125, "is not a directory");
    // Docker takes no relative one: it would be relative to something that nobody sees.
    refuses(&minidock("run -w etc lab pwd").run(), 125, "etc");
}

#[test]
fn namespaces_that_are_not_allowed() {
    // A user namespace's own limit on the namespaces below it stands in for a kernel that forbids them.
    let root = RootDir::new();
    let script = r#"
        unshare --user --map-root-user sh -euc '
            echo 0 > /proc/sys/user/max_user_namespaces
            "$MINIDOCK" --rootless run lab true' || echo ended with $?"#;
    let session = on_outer_host(script, &root.at("/probe")).run();
    session
        .success()
        .stdout("ended with 125\n")
        .stderr_contains("user namespace")
        .stderr_contains("\n  try: ");
    let script = r#"
        unshare --user --map-root-user --mount sh -euc '
            echo 0 > /proc/sys/user/max_net_namespaces
            "$MINIDOCK" run lab true' || echo ended with $?"#;
    let session = on_outer_host(script, &root.at("/probe")).run();
    session
        .success()
        .stdout("ended with 125\n")
        .stderr_contains("ENOSPC")
        .stderr_contains("max_*_namespaces");
}

#[test]
fn options_that_do_not_exist_or_lack_a_value() {
    minidock("run --no-such-option lab true").run().code(125).stderr_contains("--no-such-option");
    minidock("run --uts container lab true").run().code(125).stderr_contains("container");
    minidock("run").run().code(125);
    minidock("no-such-command").run().code(125).stderr_contains("no-such-command");
    minidock("--explain=sometimes run lab true").run().code(125).stderr_contains("sometimes");
}

#[test]
fn a_state_directory_that_cannot_be_used() {
    let session = minidock("run lab true").state(Path::new("/dev/null/state")).run();
    refuses(&session, 125, "/dev/null/state");
}

#[test]
fn a_message_shows_what_it_names_without_obeying_it() {
    // A name with control characters must not drive the terminal that shows the message.
    let name = format!("/tmp/\x1b]0;{}\x07", random_token());
    let session = run_in("", Path::new(&name)).arg("true").run();
    session.code(125).claim(!session.errors().contains('\x1b'), "no escape character");
}
