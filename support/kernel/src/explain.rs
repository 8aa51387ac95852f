//! `--explain`: the kernel calls that make a container, told as they are made: the call, its arguments,
//! its result, and, as a heading over a group of calls, why. All that the chapters teach goes through
//! [`call`], so that the story and strace(1) agree. Not told are calls that only look, and bookkeeping.

use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::sys::termios::{self, LocalFlags, SetArg};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::OnceLock;

/// The calls that are made through wrappers of this crate and nowhere else: for these, what
/// `--explain` prints and what strace(1) sees are the same, in both directions.
pub const NAMED: &[&str] = &[
    "chdir",
    "clone3",
    "close_range",
    "execve",
    "fchdir",
    "fchmodat",
    "fchownat",
    "fsconfig",
    "fsmount",
    "fsopen",
    "mkdirat",
    "mknodat",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "openat2",
    "pidfd_open",
    "pidfd_send_signal",
    "pivot_root",
    "prctl",
    "rmdir",
    "sethostname",
    "setns",
    "setgroups",
    "setresgid",
    "setresuid",
    "setsid",
    "symlinkat",
    "umount2",
    "unshare",
    "waitid",
];

/// Where the story goes, and whether it waits.
struct Narrator {
    /// A copy of standard error: the container's own standard error may be elsewhere.
    story: OwnedFd,
    /// The terminal that gives the key for the next call, under `--explain=step`.
    keys: Option<OwnedFd>,
}

static NARRATOR: OnceLock<Narrator> = OnceLock::new();

/// Starts telling on `story`, waiting before each call for a key from `keys` where there is one.
/// Both should be closed on exec, so that no container inherits them.
pub fn start(story: OwnedFd, keys: Option<OwnedFd>) {
    NARRATOR.get_or_init(|| Narrator { story, keys });
}

/// Whether somebody listens.
pub fn is_on() -> bool {
    NARRATOR.get().is_some()
}

/// The narrator's own descriptors, which a step that closes all others must leave open.
pub fn descriptors() -> Vec<BorrowedFd<'static>> {
    use std::os::fd::AsFd;
    NARRATOR.get().map_or(Vec::new(), |narrator| {
        let keys = narrator.keys.as_ref().map(OwnedFd::as_fd);
        std::iter::once(narrator.story.as_fd()).chain(keys).collect()
    })
}

/// Announces a group of calls: who makes them, what for, and why it has to be.
pub fn heading(who: &str, title: &str, why: &str) {
    if let Some(narrator) = NARRATOR.get() {
        narrator.tell(&format!("{who}: {title}\n  # {why}\n"));
    }
}

impl Narrator {
    fn tell(&self, text: &str) {
        // The story is a courtesy: a closed standard error must not stop the container.
        let _told = nix::unistd::write(&self.story, text.as_bytes());
    }

    /// Waits for a key. Ctrl-C ends this process, and with it what it was about to start.
    fn wait_for_key(&self) {
        let Some(keys) = &self.keys else { return };
        let Ok(saved) = termios::tcgetattr(keys) else { return };
        // One key at a time, unseen, and Ctrl-C as a key: the terminal is to be put right first.
        let mut one_key = saved.clone();
        one_key.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        let _set = termios::tcsetattr(keys, SetArg::TCSANOW, &one_key);
        let mut key = [0u8; 1];
        while let Err(Errno::EINTR) = nix::unistd::read(keys, &mut key) {}
        // A terminal that is gone needs no settings.
        let _restored = termios::tcsetattr(keys, SetArg::TCSANOW, &saved);
        if key == CTRL_C {
            // The call that waits for its result has no line's end; a prompt comes next.
            self.tell("\n");
            crate::process::exit(128 + libc::SIGINT as u8);
        }
    }
}

/// The byte that a terminal sends for Ctrl-C.
const CTRL_C: [u8; 1] = [3];

/// What a call gave back, as strace(1) prints it.
pub trait Outcome {
    /// The number that the kernel returned; none for the half of a clone that is not to tell.
    fn show(&self) -> Option<String>;
}

impl Outcome for () {
    fn show(&self) -> Option<String> {
        Some("0".into())
    }
}

impl Outcome for nix::unistd::Pid {
    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Outcome for OwnedFd {
    fn show(&self) -> Option<String> {
        Some(self.as_raw_fd().to_string())
    }
}

/// Makes one kernel call: tells it when somebody listens, and words its error. The arguments are
/// put into words only when one of the two needs them.
pub(crate) fn call<T: Outcome>(
    name: &'static str,
    arguments: impl Fn() -> String,
    run: impl FnOnce() -> nix::Result<T>,
) -> Result<T> {
    let Some(narrator) = NARRATOR.get() else {
        return run().map_err(|errno| Error { call: name, arguments: arguments(), errno });
    };
    let words = format!("    {name}({})", arguments());
    // A step is announced before it is made; otherwise one line, written at once, tells both.
    let stepping = narrator.keys.is_some();
    if stepping {
        narrator.tell(&words);
        narrator.wait_for_key();
    }
    let result = run();
    let outcome = match &result {
        Ok(value) => value.show(),
        Err(errno) => Some(format!("-1 {errno:?} ({})", errno.desc())),
    };
    if let Some(outcome) = outcome {
        let words = if stepping { "" } else { &words };
        narrator.tell(&format!("{words} = {outcome}  [{name}(2)]\n"));
    }
    result.map_err(|errno| Error { call: name, arguments: arguments(), errno })
}

/// Tells of a call that does not return when it succeeds.
pub(crate) fn call_of_no_return(
    name: &'static str,
    arguments: impl Fn() -> String,
    run: impl FnOnce() -> Errno,
) -> Error {
    if let Some(narrator) = NARRATOR.get() {
        narrator.tell(&format!("    {name}({})", arguments()));
        narrator.wait_for_key();
        // The result is known only if it fails: success replaces the program that would tell it.
        narrator.tell(&format!(" …  [{name}(2)]\n"));
    }
    let errno = run();
    if let Some(narrator) = NARRATOR.get() {
        narrator.tell(&format!("      … = -1 {errno:?} ({})\n", errno.desc()));
    }
    Error { call: name, arguments: arguments(), errno }
}

/// A flag set in words: `MS_REC|MS_PRIVATE`, or `0`.
pub(crate) fn flags(set: u64, names: &[(u64, &str)]) -> String {
    let words: Vec<&str> =
        names.iter().filter(|(bit, _)| set & bit == *bit).map(|(_, name)| *name).collect();
    if words.is_empty() { "0".into() } else { words.join("|") }
}

/// A descriptor in words: its number, or `AT_FDCWD`.
pub(crate) fn descriptor(fd: RawFd) -> String {
    if fd == libc::AT_FDCWD { "AT_FDCWD".into() } else { fd.to_string() }
}
