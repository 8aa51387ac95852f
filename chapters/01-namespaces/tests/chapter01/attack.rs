//! The attack that opens chapter 01: out of a chroot, at another process, at the name of the host. It works by hand, on a
//! disposable host, and fails in a container.

use testkit::{RootDir, program, random_token};

use crate::{minidock, on_outer_host, run_in};

#[test]
fn root_walks_out_of_a_chroot_but_not_out_of_a_container() {
    let root = RootDir::new();
    let (secret, token) = (testkit::scratch(), random_token());
    let file = secret.path().join("secret");
    std::fs::write(&file, &token).unwrap();

    let script = r#"chroot "$1" /probe escape "$2""#;
    on_outer_host(script, &root.at("/probe"))
        .arg(root.path())
        .arg(&file)
        .run()
        .success()
        .stdout(&token);

    run_in("", root.path())
        .words("/probe escape")
        .arg(&file)
        .run()
        .code(1)
        .stdout("")
        .stderr_contains("ENOENT");
    minidock("run lab /probe escape").arg(&file).run().code(1).stdout("");
    minidock("run --init lab /probe escape").arg(&file).run().code(1).stdout("");
}

#[test]
fn a_chrooted_process_kills_its_neighbours_but_a_contained_one_does_not() {
    let root = RootDir::new();
    let script = r#"
        sleep 600 & victim=$!
        "$MINIDOCK" run "$1" /probe kill $victim || echo refused
        kill -0 $victim && echo alive
        "$MINIDOCK" run --pid host "$1" /probe kill $victim
        wait $victim || echo killed by $(($? - 128))
        sleep 600 & victim=$!
        chroot "$1" /probe kill $victim
        wait $victim || echo killed by $(($? - 128))"#;
    on_outer_host(script, &root.at("/probe"))
        .arg(root.path())
        .run()
        .success()
        .stdout("refused\nalive\nkilled by 9\nkilled by 9\n");
}

#[test]
fn a_chrooted_process_renames_the_host_but_a_contained_one_only_itself() {
    let root = RootDir::new();
    let script = r#"
        hostname original
        "$MINIDOCK" run "$1" /probe hostname pwned; hostname
        "$MINIDOCK" run --uts host "$1" /probe hostname pwned-by-option; hostname
        chroot "$1" /probe hostname pwned-by-hand; hostname"#;
    on_outer_host(script, &root.at("/probe"))
        .arg(root.path())
        .run()
        .success()
        .stdout("original\npwned-by-option\npwned-by-hand\n");
}

#[test]
fn mounts_of_a_contained_process_do_not_reach_the_host() {
    let root = RootDir::new().file("/cover", "covered").file("/file", "as it was");
    let script = r#"
        mount --make-rshared /
        "$MINIDOCK" run "$1" /probe mount /cover /file; cat "$1/file"; echo
        chroot "$1" /probe mount /cover /file; cat "$1/file""#;
    // By hand, a bind mount needs a mount point beneath the new root; the shared tree then shows it to everybody.
    let script = script.replace("chroot", r#"mount --bind "$1" "$1"; chroot"#);
    on_outer_host(&script, &root.at("/probe"))
        .arg(root.path())
        .run()
        .success()
        .stdout("as it was\ncovered");
}

#[test]
fn the_host_of_these_tests_is_never_touched() {
    let before = program("hostname").run().success().text();
    minidock("run lab /probe hostname").arg(random_token()).run().success();
    assert_eq!(program("hostname").run().success().text(), before);
}
