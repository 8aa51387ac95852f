//! The life of a process: made by clone3(2), watched through a pidfd (pidfd_open(2)), replaced by
//! execve(2), collected by waitid(2).

use crate::descriptor::take_new;
use crate::error::{Error, Result};
use crate::explain::{call, call_of_no_return, flags};
use crate::namespace::Namespace;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

/// A child of this process. The pidfd stands for this very process even when its number is used
/// again (pidfd_open(2)).
#[derive(Debug)]
pub struct Child {
    /// The child's number as this process sees it.
    pub pid: Pid,
    /// Readable once the child has ended.
    pub pidfd: OwnedFd,
}

/// What [`clone`] returns, twice.
#[derive(Debug)]
pub enum Cloned {
    /// In the process that called.
    Parent(Child),
    /// In the new one.
    Child,
}

/// How many threads this process has: a directory has one link from each directory in it, and one
/// from its parent and one from itself besides.
fn threads() -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::metadata("/proc/self/task")?.nlink() - 2)
}

/// Makes a child with new namespaces. It starts here, with a copy of this process's memory.
///
/// # Errors
/// Refuses a process that has several threads (EBUSY): only the calling one would live on in the
/// child, and a lock that another one held would stay locked there for ever.
pub fn clone(namespaces: &[Namespace]) -> Result<Cloned> {
    clone_into(namespaces, None)
}

/// The same, with the child in this control group of version 2 from its first instruction.
///
/// # Errors
/// As [`clone`].
pub fn clone_into(namespaces: &[Namespace], group: Option<&OwnedFd>) -> Result<Cloned> {
    let new: u64 = namespaces.iter().map(|namespace| namespace.flag()).fold(0, |a, b| a | b);
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is a valid clone_args.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = new | libc::CLONE_PIDFD as u64;
    arguments.pidfd = &raw mut pidfd as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    if let Some(group) = group {
        arguments.flags |= INTO_GROUP;
        arguments.cgroup = group.as_raw_fd() as u64;
    }
    let words = || {
        let mut names = Namespace::CLONE_FLAGS.to_vec();
        names
            .extend([(libc::CLONE_PIDFD as u64, "CLONE_PIDFD"), (INTO_GROUP, "CLONE_INTO_CGROUP")]);
        let into = group.map_or(String::new(), |group| format!(", cgroup={}", group.as_raw_fd()));
        format!("{{flags={}, exit_signal=SIGCHLD{into}}}", flags(arguments.flags, &names))
    };
    if threads().is_ok_and(|threads| threads != 1) {
        return Err(Error { call: "clone3", arguments: words(), errno: Errno::EBUSY });
    }
    // The child must not tell of its own birth, so the outcome is only made known in the parent.
    let pid = call("clone3", words, || {
        // SAFETY: without CLONE_VM the child has its own copy of our memory, and this process has
        // one thread, so that the copy is whole.
        let pid = Errno::result(unsafe {
            let size = size_of::<libc::clone_args>();
            libc::syscall(libc::SYS_clone3, &arguments, size)
        })?;
        Ok(Birth(pid as i32))
    })?;
    if pid.0 == 0 {
        return Ok(Cloned::Child);
    }
    // SAFETY: CLONE_PIDFD made the kernel store a new descriptor here.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Cloned::Parent(Child { pid: Pid::from_raw(pid.0), pidfd }))
}

/// CLONE_INTO_CGROUP of linux/sched.h: libc has it as an int, which it does not fit into.
const INTO_GROUP: u64 = 0x2_0000_0000;

/// What clone3 returned: the child's number, or 0 in the child.
struct Birth(i32);

impl crate::explain::Outcome for Birth {
    fn show(&self) -> Option<String> {
        (self.0 != 0).then(|| self.0.to_string())
    }
}

/// A descriptor for a process that is not our child.
pub fn open(pid: Pid) -> Result<OwnedFd> {
    call(
        "pidfd_open",
        || format!("{pid}, 0"),
        // SAFETY: two integers.
        || take_new(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) }),
    )
}

/// Sends a signal to the process behind a pidfd. One that is already gone is no error: it has
/// received its last signal.
pub fn send_signal(pidfd: impl AsFd, signal: Signal) -> Result<()> {
    send_signal_number(pidfd, signal as i32)
}

/// The same by the signal's number, which real-time ones are known by.
pub fn send_signal_number(pidfd: impl AsFd, number: i32) -> Result<()> {
    let pidfd = pidfd.as_fd().as_raw_fd();
    let sent = call(
        "pidfd_send_signal",
        || format!("{pidfd}, {}, NULL, 0", crate::signal::name(number)),
        || {
            let none = std::ptr::null::<libc::siginfo_t>();
            // SAFETY: a null siginfo means what kill(2) would send.
            Errno::result(unsafe {
                libc::syscall(libc::SYS_pidfd_send_signal, pidfd, number, none, 0)
            })
            .map(drop)
        },
    );
    match sent {
        Err(error) if error.errno == Errno::ESRCH => Ok(()),
        sent => sent,
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(u8),
    /// By a signal of this number.
    Signal(u8),
}

impl Exit {
    /// As shells and docker report it: the code, or 128 and the signal's number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

/// Waits for a child to end and collects it, so that it leaves no zombie.
pub fn wait(child: &Child) -> Result<Exit> {
    let pidfd = child.pidfd.as_raw_fd();
    let mut exit = None;
    call(
        "waitid",
        || format!("P_PIDFD, {pidfd}, WEXITED"),
        || {
            while exit.is_none() {
                exit = wait_id(libc::P_PIDFD, pidfd as libc::id_t, libc::WEXITED)?;
            }
            Ok(())
        },
    )?;
    Ok(exit.map_or(Exit::Code(0), |(_, exit)| exit))
}

/// Collects one child that has ended, without waiting for one that has not: the duty of the first
/// process of a PID namespace, to which every orphan in it falls.
pub fn collect_any() -> Result<Option<(Pid, Exit)>> {
    let mut ended = None;
    call(
        "waitid",
        || "P_ALL, 0, WEXITED|WNOHANG".into(),
        || {
            ended = match wait_id(libc::P_ALL, 0, libc::WEXITED | libc::WNOHANG) {
                Err(Errno::ECHILD) => None,
                ended => ended?,
            };
            Ok(())
        },
    )?;
    Ok(ended)
}

/// waitid(2), with signals as numbers: the real-time ones have no names that nix would know.
fn wait_id(kind: libc::idtype_t, id: libc::id_t, options: i32) -> nix::Result<Option<(Pid, Exit)>> {
    // SAFETY: all-zero is a valid siginfo_t; its si_pid stays 0 if nobody has ended.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: waitid writes a siginfo_t.
    match Errno::result(unsafe { libc::waitid(kind, id, &mut info, options) }) {
        Err(Errno::EINTR) => return Ok(None),
        done => done?,
    };
    // SAFETY: after waitid the fields of a SIGCHLD are the ones that are set.
    let pid = unsafe { info.si_pid() };
    // SAFETY: as above.
    let status = unsafe { info.si_status() } as u8;
    let exit =
        if info.si_code == libc::CLD_EXITED { Exit::Code(status) } else { Exit::Signal(status) };
    Ok((pid != 0).then(|| (Pid::from_raw(pid), exit)))
}

/// Has the kernel kill this process when its parent dies, whatever the parent dies of
/// (PR_SET_PDEATHSIG in prctl(2)). A change of user clears this, so it is asked for again then.
pub fn die_with_parent() -> Result<()> {
    call(
        "prctl",
        || "PR_SET_PDEATHSIG, SIGKILL".into(),
        || nix::sys::prctl::set_pdeathsig(Signal::SIGKILL),
    )
}

/// Becomes the leader of a session of its own, without a terminal (setsid(2)).
pub fn new_session() -> Result<()> {
    call("setsid", String::new, nix::unistd::setsid).map(drop)
}

/// Replaces this program. Returns only if that fails.
pub fn execute(path: &CStr, arguments: &[CString], environment: &[CString]) -> Error {
    let words = || {
        let shown: Vec<String> = arguments.iter().take(8).map(|a| format!("{a:?}")).collect();
        let more = if arguments.len() > 8 { ", …" } else { "" };
        format!("{path:?}, [{}{more}], /* {} variables */", shown.join(", "), environment.len())
    };
    call_of_no_return("execve", words, || {
        let Err(errno) = nix::unistd::execve(path, arguments, environment);
        errno
    })
}

/// Overwrites the environment that this process was started with, which /proc/PID/environ shows to
/// whoever shares its PID namespace: it is the host's, secrets included.
pub fn forget_environment() -> std::io::Result<()> {
    let (from, to) = strings(Strings::Environment)?;
    // SAFETY: the kernel says that these are strings which it put onto our stack. This process has
    // one thread and does not read them again: what was needed of them was copied before.
    unsafe { std::ptr::write_bytes(from as *mut u8, 0, to - from) };
    Ok(())
}

/// Gives this process another name in ps(1), in place of its arguments and its program's name.
pub fn rename(name: &CStr) -> std::io::Result<()> {
    let (from, to) = strings(Strings::Arguments)?;
    // SAFETY: as above.
    unsafe { std::ptr::write_bytes(from as *mut u8, 0, to - from) };
    let length = name.count_bytes().min(to - from);
    // SAFETY: as above, and this much of the name fits.
    unsafe { std::ptr::copy(name.as_ptr().cast(), from as *mut u8, length) };
    set_name(name).map_err(std::io::Error::other)
}

/// Gives this process another short name, the one in /proc/PID/comm (PR_SET_NAME in prctl(2)).
pub fn set_name(name: &CStr) -> Result<()> {
    call("prctl", || format!("PR_SET_NAME, {name:?}"), || nix::sys::prctl::set_name(name))
}

/// Which strings that execve(2) left on the stack: by the number of the first of two fields in
/// proc_pid_stat(5).
enum Strings {
    Arguments = 48,
    Environment = 50,
}

/// Where they begin and end.
fn strings(which: Strings) -> std::io::Result<(usize, usize)> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field, a name in parentheses, may hold spaces: counting starts after it, at 3.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<usize>().ok();
    let first = which as usize;
    let range = field(first).zip(field(first + 1)).filter(|(from, to)| from <= to && *from > 0);
    range.ok_or_else(|| std::io::Error::other("/proc/self/stat does not say where they are"))
}

/// Ends this process at once, running no destructor: in a child these would be its parent's.
pub fn exit(code: u8) -> ! {
    // SAFETY: _exit is always safe; it does not return.
    unsafe { libc::_exit(code.into()) }
}
