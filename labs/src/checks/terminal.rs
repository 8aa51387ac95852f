//! 01.6: a terminal (pty(7), devpts) that is the container's own.

use std::os::unix::fs::{FileTypeExt, MetadataExt};

use super::Found;
use super::subject::Subject;
use crate::grade::Verdict;

/// Where the numbers of pseudoterminals begin (devices.txt in the kernel's documentation).
const MAJOR: u64 = 136;

pub(crate) fn terminal(subject: &Subject) -> Found {
    let (_terminal, pid) = subject.start_on_terminal(subject.run("-i -t"))?;
    let (link, ours) = (format!("/proc/{pid}/fd/0"), std::fs::metadata("/dev/pts"));
    let (Ok(theirs), Ok(ours)) = (std::fs::metadata(&link), ours) else {
        return Ok(Verdict::skip("/dev/pts or a descriptor cannot be read", "mount devpts"));
    };
    let (major, minor) = (nix::libc::major(theirs.rdev()), nix::libc::minor(theirs.rdev()));
    let controlling = controlling(pid);
    let evidence = format!(
        "{link} is {major}:{minor} of file system {:#x}, /dev/pts is {:#x}; /proc/{pid}/stat has terminal {controlling}",
        theirs.dev(),
        ours.dev()
    );
    let is_terminal = theirs.file_type().is_char_device() && u64::from(major) == MAJOR;
    if !is_terminal || theirs.dev() == ours.dev() {
        let help = "make the terminal in the container's own devpts, and let its streams be that: the host's must not \
                    come in (TIOCSTI)";
        let observed =
            if is_terminal { "it has the host's terminal" } else { "it has no terminal" };
        return Ok(Verdict::fail(observed, &evidence, help));
    }
    // The number as the kernel prints it: the lower byte of minor, then major, then the rest.
    let expected = u64::from(minor & 0xff) | u64::from(major) << 8 | u64::from(minor & !0xff) << 12;
    if controlling != expected {
        let help = "setsid(2), then TIOCSCTTY (ioctl_tty(2)): without a controlling terminal, Ctrl-C does nothing";
        return Ok(Verdict::fail("the terminal does not control it", &evidence, help));
    }
    Ok(Verdict::pass("a terminal of the container's own controls it", &evidence))
}

/// Field 7 of proc_pid_stat(5): the controlling terminal, 0 for none.
fn controlling(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind_the_name = stat.rsplit(')').next().unwrap_or("");
    behind_the_name.split_whitespace().nth(4).and_then(|field| field.parse().ok()).unwrap_or(0)
}
