//! What this kernel and this account allow, found out by doing it. A trial runs in a child with
//! namespaces of its own, which vanish with it: nothing that it makes reaches the host. A trial
//! that hangs (a dead NFS server) is killed.

pub mod mounts;
mod netlink;
pub mod network;
pub mod processes;

use crate::descriptor;
use crate::error::{Error, describe};
use crate::namespace::Namespace;
use crate::process::{self, Child, Cloned, Exit};
use crate::signal::Signal;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// How long a trial may take: the slowest makes a few namespaces, which is done in milliseconds.
pub const LIMIT: Duration = Duration::from_secs(10);

/// What a trial found, in words; or why it found nothing.
pub type Found = Result<String, Refused>;

/// What came out other than hoped for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The kernel's reason, if a call failed.
    pub errno: Option<Errno>,
    /// What was tried, and the reason in words.
    pub words: String,
    /// It works, but not all of it.
    pub partly: bool,
}

impl Refused {
    /// A refusal that is no kernel call's.
    pub fn new(words: impl Into<String>) -> Refused {
        Refused { errno: None, words: words.into(), partly: false }
    }

    /// A refusal by the standard library, with what was tried.
    pub fn io(what: impl fmt::Display, error: &std::io::Error) -> Refused {
        let errno = error.raw_os_error().map(Errno::from_raw);
        let words = errno.map_or(error.to_string(), describe);
        Refused { errno, words: format!("{what}: {words}"), partly: false }
    }

    /// The same refusal, of something that one can do without.
    pub fn in_part(self) -> Refused {
        Refused { partly: true, ..self }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        let words = format!("{}: {}", error.call, describe(error.errno));
        Refused { errno: Some(error.errno), words, partly: false }
    }
}

/// Makes a trial in a child with these new namespaces. Where a user namespace is among them, it
/// needs ids, which `adopt` gives to the child while it waits.
pub fn attempt(
    namespaces: &[Namespace],
    adopt: impl FnOnce(Pid) -> Result<(), Refused>,
    trial: impl FnOnce() -> Found,
) -> Found {
    let pipe = || descriptor::pipe().map_err(|errno| Refused::io("pipe", &errno.into()));
    let ((gate, opens_gate), (report, reports)) = (pipe()?, pipe()?);
    let child = match process::clone(namespaces)? {
        Cloned::Parent(child) => child,
        Cloned::Child => {
            drop((opens_gate, report));
            // A panic would otherwise unwind into what the parent is about to do.
            let found = catch_unwind(AssertUnwindSafe(|| {
                process::die_with_parent()?;
                match nix::unistd::read(&gate, &mut [0]) {
                    Ok(1) => trial(),
                    _ => Err(Refused::new("the parent is gone")),
                }
            }));
            let found = found.unwrap_or_else(|_| Err(Refused::new("the trial itself failed")));
            // If nobody reads, nobody is left to tell.
            let _told = nix::unistd::write(&reports, encode(found).as_bytes());
            process::exit(0);
        }
    };
    drop((gate, reports));
    let adopted = adopt(child.pid).and_then(|()| {
        let opened = nix::unistd::write(&opens_gate, b"!");
        opened.map_err(|errno| Refused::io("open the gate", &errno.into()))
    });
    // A child that nobody adopts reads the end of the gate, and goes.
    drop(opens_gate);
    let text = read_in_time(report);
    let text = match text {
        Ok(text) => text,
        Err(refused) => {
            process::send_signal(&child.pidfd, Signal::SIGKILL)?;
            // In an uninterruptible sleep not even that ends it; it then ends when it can.
            if ready(child.pidfd.as_fd(), Duration::from_secs(1)) {
                process::wait(&child)?;
            }
            return Err(refused);
        }
    };
    adopted.and(decode(&text, ended(&child)?))
}

/// A trial that needs no namespace, but must neither hang us nor change us.
pub fn aside(trial: impl FnOnce() -> Found) -> Found {
    attempt(&[], |_| Ok(()), trial)
}

/// A trial in these new namespaces, none of which is a user namespace.
pub fn within(namespaces: &[Namespace], trial: impl FnOnce() -> Found) -> Found {
    attempt(namespaces, |_| Ok(()), trial)
}

fn ended(child: &Child) -> Result<Exit, Refused> {
    Ok(process::wait(child)?)
}

fn ready(fd: BorrowedFd, limit: Duration) -> bool {
    let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
    matches!(poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], timeout), Ok(1..))
}

/// All that comes through a pipe until its end.
fn read_in_time(pipe: OwnedFd) -> Result<String, Refused> {
    let deadline = Instant::now() + LIMIT;
    let mut bytes = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let words = format!("no answer within {} s", LIMIT.as_secs());
            return Err(Refused::new(words));
        }
        if !ready(pipe.as_fd(), left) {
            continue;
        }
        let mut part = [0; 4096];
        match nix::unistd::read(&pipe, &mut part) {
            Ok(0) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Ok(length) => bytes.extend(&part[..length]),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Refused::io("read the report", &errno.into())),
        }
    }
}

/// On the wire: a word for the kind, the errno or 0, and the words.
fn encode(found: Found) -> String {
    match found {
        Ok(words) => format!("found 0 {words}"),
        Err(Refused { errno, words, partly }) => {
            let kind = if partly { "partly" } else { "refused" };
            format!("{kind} {} {words}", errno.map_or(0, |errno| errno as i32))
        }
    }
}

fn decode(text: &str, exit: Exit) -> Found {
    let mut fields = text.splitn(3, ' ');
    let (kind, errno, words) = (fields.next(), fields.next(), fields.next().unwrap_or(""));
    let errno = errno.and_then(|errno| errno.parse().ok()).filter(|errno| *errno != 0);
    let refused = Refused { errno: errno.map(Errno::from_raw), words: words.into(), partly: false };
    match kind {
        Some("found") => Ok(words.into()),
        Some("partly") => Err(refused.in_part()),
        Some("refused") => Err(refused),
        // A seccomp filter may kill for a call that it does not know.
        _ => Err(Refused::new(match exit {
            Exit::Signal(signal) => format!("ended by signal {signal}"),
            Exit::Code(code) => format!("ended with code {code} and no word"),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_trial_says_comes_back_whole() {
        let exit = Exit::Code(0);
        let refused = Refused::new("two words");
        for found in [
            Ok("it works".into()),
            Err(refused.clone()),
            Err(Refused { errno: Some(Errno::EPERM), ..refused }.in_part()),
        ] {
            assert_eq!(decode(&encode(found.clone()), exit), found);
        }
    }

    #[test]
    fn a_death_is_told_by_its_signal() {
        let refused = decode("", Exit::Signal(31)).unwrap_err();
        assert_eq!(refused.words, "ended by signal 31");
    }
}
