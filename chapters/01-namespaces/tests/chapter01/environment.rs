//! What a command finds in its environment and where it starts.

use testkit::{RootDir, random_token};

use crate::{minidock, run_in, value};

#[test]
fn the_default_environment_is_dockers() {
    let text = minidock("run -h box lab env").env("TERM", "xterm").run().success().text();
    // sh(1) and env(1) add nothing when they are run directly.
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(lines, ["HOME=/root", "HOSTNAME=box", path]);
    let text = minidock("run lab sh -c").arg("env; hostname").run().success().text();
    assert_eq!(Some(value(&text, "HOSTNAME").as_str()), text.lines().last());
}

#[test]
fn variables_are_set_passed_on_and_replaced() {
    let (set, passed) = (random_token(), random_token());
    let session = minidock("run -e")
        .arg(format!("SET={set} with=more"))
        .words("-e PASSED --env EMPTY= -e ABSENT");
    let session = session
        .words("-e HOME=/elsewhere lab env")
        .env("PASSED", &passed)
        .env_remove("ABSENT")
        .run();
    let text = session.success().text();
    assert_eq!(value(&text, "SET"), format!("{set} with=more"));
    assert_eq!((value(&text, "PASSED"), value(&text, "EMPTY")), (passed, String::new()));
    assert_eq!(value(&text, "HOME"), "/elsewhere");
    assert_eq!(text.lines().filter(|line| line.starts_with("HOME=")).count(), 1);
    session.stdout_lacks("ABSENT");
}

#[test]
fn of_an_option_that_is_given_twice_the_last_one_counts() {
    let session = minidock("run -i --hostname alias -w /tmp -i --hostname own lab sh -c");
    session.arg("hostname; pwd").run().success().stdout("own\n/tmp\n");
}

#[test]
fn an_env_file_is_read_and_options_come_after_it() {
    let directory = testkit::scratch();
    let file = directory.path().join("env");
    std::fs::write(&file, "# a comment\nFROM_FILE=a b = c\n\nBOTH=file\nPASSED\n").unwrap();
    let session = minidock("run --env-file")
        .arg(&file)
        .words("-e BOTH=option lab env")
        .env("PASSED", "on")
        .run();
    let text = session.success().text();
    assert_eq!(value(&text, "FROM_FILE"), "a b = c");
    assert_eq!((value(&text, "BOTH"), value(&text, "PASSED")), ("option".into(), "on".into()));
    session.stdout_lacks("comment");
}

#[test]
fn an_env_file_that_is_missing_or_wrong_is_named() {
    let directory = testkit::scratch();
    let missing = directory.path().join("missing");
    let session = minidock("run --env-file").arg(&missing).words("lab true").run();
    session.code(125).stderr_contains(&missing.display().to_string());
    let wrong = directory.path().join("wrong");
    std::fs::write(&wrong, "=no name\n").unwrap();
    minidock("run --env-file")
        .arg(&wrong)
        .words("lab true")
        .run()
        .code(125)
        .stderr_contains("no name");
    minidock("run -e =value lab true").run().code(125).stderr_contains("=value");
}

#[test]
fn the_command_is_looked_up_in_its_own_path() {
    let token = random_token();
    let root = RootDir::new()
        .program(&format!("/opt/{token}"), probe::PROGRAM)
        .program("/bin/only-here", probe::PROGRAM);
    run_in("-e PATH=/opt", root.path()).arg(&token).arg("true").run().success();
    run_in("", root.path()).words("only-here true").run().success();
    run_in("-e PATH=/opt", root.path())
        .words("only-here true")
        .run()
        .code(127)
        .stderr_contains("only-here");
    run_in("", root.path()).arg(&token).arg("true").run().code(127);
    // A name with a slash is a path, from the working directory if it does not begin with one.
    run_in("-w /opt", root.path()).arg(format!("./{token}")).arg("true").run().success();
}

#[test]
fn the_command_starts_where_it_is_told() {
    minidock("run -w /etc lab pwd").run().success().stdout("/etc\n");
    minidock("run --workdir /proc/sys lab pwd").run().success().stdout("/proc/sys\n");
    minidock("run lab pwd").directory(std::path::Path::new("/usr")).run().success().stdout("/\n");
    let root = RootDir::new()
        .directory("/real")
        .symlink("/link", "/real")
        .symlink("/out", "../../../real");
    for place in ["/link", "/out"] {
        let report = minidock("run -w")
            .arg(place)
            .arg(root.path())
            .words("/probe report")
            .run()
            .success()
            .text();
        assert_eq!(value(&report, "cwd"), "/real");
    }
}

#[test]
fn options_after_the_root_belong_to_the_command() {
    minidock("run lab echo -i --init -e A=b --explain")
        .run()
        .success()
        .stdout("-i --init -e A=b --explain\n");
    minidock("run lab -- echo a").run().code(127).stderr_contains("--");
}

#[test]
fn the_default_command_is_a_shell() {
    minidock("run -i lab").stdin("echo $((6*7)) $0\n").run().success().stdout("42 /bin/sh\n");
}
