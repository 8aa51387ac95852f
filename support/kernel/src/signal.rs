//! Signals (signal(7)): blocked and read from a descriptor in the parent, so that they are handled
//! like any other event; and given back their defaults in the child.

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

pub use nix::sys::signal::Signal;

/// The signals that a command line passes on to what it runs: all that a person or a supervisor
/// sends to make a program do something.
pub const FORWARDED: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
];

/// A signal that came, and whether a process sent it; otherwise the terminal's driver did.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// Which one.
    pub signal: Signal,
    /// Sent by kill(2) or the like.
    pub from_process: bool,
}

/// The forwarded signals as a descriptor (signalfd(2)). From here on they interrupt nothing.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the forwarded signals, and `more`, and collects them from now on.
    pub fn collect(more: &[Signal]) -> nix::Result<Signals> {
        let wanted = FORWARDED.iter().filter(|signal| !is_ignored(**signal)).chain(more);
        let set: SigSet = wanted.copied().collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Signals(SignalFd::with_flags(&set, flags)?))
    }

    /// The next signal, if one has come.
    pub fn receive(&mut self) -> nix::Result<Option<Received>> {
        let Some(info) = self.0.read_signal()? else { return Ok(None) };
        let signal = Signal::try_from(info.ssi_signo as i32)?;
        Ok(Some(Received { signal, from_process: info.ssi_code != libc::SI_KERNEL }))
    }
}

impl std::os::fd::AsFd for Signals {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The first of these that has come and waits, as it is blocked (sigpending(2)).
pub fn waiting(among: &[Signal]) -> Option<Signal> {
    // SAFETY: all-zero is a valid sigset_t.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: sigpending writes a set to where it is told, and cannot fail there.
    unsafe { libc::sigpending(&mut set) };
    // SAFETY: the set was filled in, and every Signal is the number of one.
    let waits = |signal: &Signal| unsafe { libc::sigismember(&set, *signal as i32) } == 1;
    among.iter().copied().find(waits)
}

/// Whether whoever started us had us ignore a signal, as nohup(1) does with SIGHUP.
fn is_ignored(signal: Signal) -> bool {
    // SAFETY: all-zero is a valid sigaction.
    let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: without a new action, sigaction only writes the present one.
    let asked = unsafe { libc::sigaction(signal as i32, std::ptr::null(), &mut now) };
    asked == 0 && now.sa_sigaction == libc::SIG_IGN
}

/// The number of a signal that somebody names: `9`, `KILL`, `SIGKILL`, `RTMIN+3`, in any case.
pub fn number(text: &str) -> Option<i32> {
    // The kernel's first and last real-time signals; the C library keeps two for itself.
    let (first, last) = (libc::SIGRTMIN(), libc::SIGRTMAX());
    if let Ok(number) = text.parse() {
        return (1..=last).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let beyond = |end: &str, sign: char| -> Option<i32> {
        let rest = name.strip_prefix(end)?;
        if rest.is_empty() { Some(0) } else { rest.strip_prefix(sign)?.parse().ok() }
    };
    let real_time = beyond("RTMIN", '+').map(|more| first + more);
    let real_time = real_time.or_else(|| beyond("RTMAX", '-').map(|less| last - less));
    match (name, real_time) {
        (_, Some(number)) => (first..=last).contains(&number).then_some(number),
        ("CLD", _) => Some(libc::SIGCHLD),
        ("IOT", _) => Some(libc::SIGABRT),
        ("POLL", _) => Some(libc::SIGIO),
        (name, None) => format!("SIG{name}").parse::<Signal>().ok().map(|signal| signal as i32),
    }
}

/// What a signal is called: `SIGKILL`, `SIGRTMIN+3`.
pub fn name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => signal.to_string(),
        Err(_) => format!("SIGRTMIN+{}", number - libc::SIGRTMIN()),
    }
}

/// Gives every signal its default action and unblocks all. An ignored or blocked signal would
/// stay so through exec: Rust ignores SIGPIPE, nohup(1) ignores SIGHUP, and we block some.
pub fn reset() -> nix::Result<()> {
    for number in 1..=libc::SIGRTMAX() {
        // SIGKILL and SIGSTOP cannot be changed, and the C library keeps two for itself: it
        // answers EINVAL for these, which is as good as their default.
        // SAFETY: SIG_DFL installs no handler.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    match sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None) {
        Err(Errno::EINVAL) | Ok(()) => Ok(()),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_a_number_and_names() {
        for text in ["9", "KILL", "SIGKILL", "kill", "SigKill"] {
            assert_eq!(number(text), Some(libc::SIGKILL), "{text}");
        }
        assert_eq!(number("CLD"), Some(libc::SIGCHLD));
        assert_eq!((number("RTMIN+3"), number("sigrtmax-2")), (Some(37), Some(62)));
        assert_eq!(
            (number("RTMIN"), number("RTMAX"), number("64")),
            (Some(34), Some(64), Some(64))
        );
        let none =
            ["", "0", "65", "-1", "SIG", "SIGSIGKILL", "NONE", "RTMIN+31", "RTMIN-1", "RTMAX+1"];
        assert!(none.iter().all(|text| number(text).is_none()));
    }

    #[test]
    fn a_signal_waits_while_it_is_blocked() {
        let set: SigSet = [Signal::SIGWINCH].into_iter().collect();
        let asked = [Signal::SIGUSR1, Signal::SIGWINCH];
        set.thread_block().unwrap();
        assert_eq!(waiting(&asked), None);
        nix::sys::signal::raise(Signal::SIGWINCH).unwrap();
        assert_eq!((waiting(&asked), waiting(&asked[..1])), (Some(Signal::SIGWINCH), None));
        // Its default is to be ignored.
        set.thread_unblock().unwrap();
        assert_eq!(waiting(&asked), None);
    }

    #[test]
    fn a_number_has_a_name() {
        assert_eq!([1, 37].map(name), ["SIGHUP", "SIGRTMIN+3"]);
    }
}
