//! No pseudo-terminal left, in a test program of its own: cargo runs these one after the other, so that nobody else's
//! terminals are missing meanwhile.

use std::fs::{self, File};

use testkit::{chapter, is_root};

#[test]
fn a_container_without_a_terminal_to_have_says_so() {
    let setting = |name: &str| -> usize {
        let text = fs::read_to_string(format!("/proc/sys/kernel/pty/{name}")).unwrap();
        text.trim().parse().unwrap()
    };
    // The kernel keeps its last 1,024 for the devpts of the first mount namespace, which are not touched here.
    let outside = if is_root() { "unshare --mount" } else { "" };
    let report = || chapter(1).words("run -t lab tty").under(outside).run();
    report().success().stdout("/dev/pts/0\r\n");
    let free = (setting("max") - setting("reserve")).saturating_sub(setting("nr"));
    raise_limit_of_descriptors();
    let taken: Vec<File> = (0..free)
        .map(|_| {
            File::options()
                .read(true)
                .write(true)
                .open("/dev/ptmx")
                .expect("the host has more than that")
        })
        .collect();
    let refused = report();
    refused
        .code(125)
        .stdout("")
        .stderr_contains("no pseudoterminal is left")
        .stderr_contains("\n  try: ");
    chapter(1).words("run lab true").run().success();
    drop(taken);
    report().success();
}

/// Many systems start a process with 1,024 at most; it may raise that itself up to the hard limit.
fn raise_limit_of_descriptors() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit for the length of the call.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) }, 0);
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
}
