//! The break-out that chroot allows: alone in its file, because nothing may fork beside it while
//! the program is written into the root (ETXTBSY).

mod common;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::chroot;
use std::os::unix::process::CommandExt;
use std::process::Command;

#[test]
fn escape_leads_out_of_a_chroot() {
    let root = common::temporary("root");
    let secret = common::temporary("secret");
    fs::create_dir(&root).expect("a new directory");
    common::write_program(&root.join("probe"));
    fs::write(&secret, "outside\n").expect("a file outside the root");

    let inside = |arguments: [&str; 2]| {
        let mut command = Command::new("/probe");
        command.args(arguments);
        let root = root.clone();
        // SAFETY: both functions are single system calls, which a child may make after a fork;
        // the paths were allocated before it.
        unsafe {
            command.pre_exec(move || chroot(&root).and_then(|()| std::env::set_current_dir("/")))
        };
        command.output()
    };
    let secret_path = secret.to_str().expect("UTF-8");
    let shut_in = inside(["cat", secret_path]);
    let escaped = inside(["escape", secret_path]);
    let left = fs::exists(root.join("probe-escape"));

    fs::remove_dir_all(&root).expect("the root is removed");
    fs::remove_file(&secret).expect("the file is removed");

    if shut_in.as_ref().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
        eprintln!("skipped: needs root (chroot)");
        return;
    }
    let (shut_in, escaped) = (shut_in.expect("it starts"), escaped.expect("it starts"));
    assert_eq!(shut_in.status.code(), Some(1), "the file is not in the root");
    assert_eq!(String::from_utf8_lossy(&escaped.stdout), "outside\n", "{escaped:?}");
    assert_eq!(escaped.status.code(), Some(0));
    assert!(!left.expect("the root is readable"), "the directory stayed");
}
