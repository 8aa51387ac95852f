//! What a test needs besides the kernel: a peer program, or to be root. What is missing is a skip with a name, a reason
//! and a remedy, never a silent pass; with `MINIDOCK_REQUIRE_PEERS=1`, as in CI, it is a failure.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{AccessFlags, access, geteuid};

/// Whether the tests run as root of this machine (or of the namespace they are in).
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// The path of a program that a test sets beside ours; `None`, after a named skip, when it is not installed.
pub fn peer(name: &str, remedy: &str) -> Option<PathBuf> {
    let found = find(name, &std::env::var("PATH").unwrap_or_default());
    if found.is_none() {
        skip(&format!("{name} is not installed"), remedy);
    }
    found
}

/// For the rare test that only root of the machine can run. Root is not a peer: CI runs the tests under both kinds of
/// account, and this one then counts in the other run. Prefer [`crate::outer`], which makes an ordinary user root of a box.
pub fn root_or_skip(reason: &str) -> bool {
    if !is_root() {
        announce(reason, "run the tests as root too");
    }
    is_root()
}

/// For a test of what only some machines are: version 2 of control groups alone, say. It counts in the run on such a one.
pub fn here_or_skip(holds: bool, reason: &str, remedy: &str) -> bool {
    if !holds {
        announce(reason, remedy);
    }
    holds
}

/// Reports a skip, or fails where nothing may be skipped.
pub fn skip(reason: &str, remedy: &str) {
    if std::env::var_os("MINIDOCK_REQUIRE_PEERS").is_some_and(|value| value == "1") {
        panic!("MINIDOCK_REQUIRE_PEERS=1 allows no skip: {reason}; {remedy}");
    }
    announce(reason, remedy);
}

/// Where an ordinary user may make no user namespace, no container can start and no test of a chapter can run: the whole
/// file of tests is one skip. The test harness knows no skip at run time, so its process ends here.
pub(crate) fn leave_unless_namespaces() {
    let allowed = || {
        let unshare =
            Command::new("unshare").args(["--user", "--map-root-user", "--mount", "true"]).output();
        unshare.is_ok_and(|output| output.status.success())
    };
    if !is_root() && !allowed() {
        skip(
            "every test of this file: this account may not make user namespaces",
            "run the tests as root, or allow them: sysctl kernel.apparmor_restrict_unprivileged_userns=0 \
             (Ubuntu), kernel.unprivileged_userns_clone=1 (Debian 10), user.max_user_namespaces=10000 (RHEL 7)",
        );
        std::process::exit(0);
    }
}

fn announce(reason: &str, remedy: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    // The test harness captures what eprintln! writes; a write of one's own to the descriptor is seen by the reader.
    // A closed standard error leaves nobody to tell, so that failure is no reason to fail the test.
    let _ = std::io::stderr().write_all(format!("SKIP {name}: {reason}; {remedy}\n").as_bytes());
}

fn find(name: &str, path: &str) -> Option<PathBuf> {
    path.split(':')
        // An ordinary user's PATH often lacks the directories where runc or ip live.
        .chain(["/usr/sbin", "/sbin"])
        .map(|directory| Path::new(directory).join(name))
        .find(|file| file.is_file() && access(file, AccessFlags::X_OK).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_found_on_the_path_and_nothing_else_is() {
        assert_eq!(find("sh", "/nowhere:/bin"), Some("/bin/sh".into()));
        assert_eq!(find("minidock-no-such-peer", "/bin:/usr/bin"), None);
        assert_eq!(
            find("passwd", "/etc"),
            find("passwd", ""),
            "a file that cannot be executed is no program"
        );
    }
}
