//! 01.4: the root (pivot_root(2)), attacked as the chapter's first page does.

use testkit::host;

use super::Found;
use super::subject::{Subject, not_run, said};
use crate::grade::Verdict;

pub(crate) fn root(subject: &Subject) -> Found {
    let (_container, pid) = subject.sleeper(subject.run(""))?;
    let mounts = host::mounts(pid);
    let roots = mounts.iter().filter(|mount| mount.point == "/").count();

    let outside = testkit::scratch();
    let file = outside.path().join("secret");
    std::fs::write(&file, &subject.token).map_err(|error| {
        Verdict::skip(
            &format!("{}: {error}", file.display()),
            "make the temporary directory writable",
        )
    })?;
    let session = subject.run("").words("/probe escape").arg(&file).run();
    let evidence = format!(
        "`/probe escape {}`: {}; {roots} mounts at / in /proc/{pid}/mountinfo",
        file.display(),
        said(&session)
    );
    if session.text().contains(&subject.token) {
        let help = if roots > 1 {
            "the old root is still mounted beneath or above the new one: umount2(2) with MNT_DETACH takes it off"
        } else {
            "chroot(2) changes where / points, and no more: pivot_root(2) makes it the root of the mount namespace"
        };
        return Ok(Verdict::fail("a process inside read a file of the host's", &evidence, help));
    }
    if session.status().code() != Some(1) || !session.errors().contains("ENOENT") {
        return Ok(not_run(&session));
    }
    if roots != 1 {
        let help = "after pivot_root(2) the old root is still mounted: umount2(2) with MNT_DETACH takes it off";
        return Ok(Verdict::fail("there is more than one root", &evidence, help));
    }
    Ok(Verdict::pass("one root, and no way out of it", &evidence))
}
