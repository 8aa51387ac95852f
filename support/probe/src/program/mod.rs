//! What `/probe COMMAND [ARGS]` can do, and how it says that something failed.
//!
//! Exit code 0: done; 1: refused, with the call and the errno on standard error; 2: misuse.

mod attacks;
mod directory;
mod escape;
mod interfaces;
mod ipc;
mod load;
mod orphans;
mod report;
mod signals;
pub(crate) mod sys;
pub(crate) mod text;
mod tools;

use core::ffi::CStr;
use core::fmt;

use sys::Errno;
use text::{Output, complain, number, size};

const USAGE: &str = "\
usage: probe COMMAND [ARGS]
  report                          who and where this process is, one key=value a line
  fds                             its open descriptors, `N -> target` a line
  interfaces                      the interfaces of its network namespace, and whether they are up
attacks, with exit code 1 where the kernel refuses:
  escape [FILE]                   break out of a chroot, print FILE (/etc/hostname) from outside
  kill PID [SIGNUM]               send a signal (9)
  ptrace PID                      become its tracer
  hostname NAME                   set the host name
  mount SOURCE TARGET             bind mount
  umount TARGET                   unmount
  ipc create|find|remove KEY      a System V message queue
  queue create|find|remove NAME   a POSIX message queue
load, to be run under a limit only:
  eat SIZE[K|M|G]                 allocate and touch memory
  spin [SECONDS]                  busy loop
  forkbomb                        fork until EAGAIN
signals and processes:
  signals [--stay]                name each signal that arrives; TERM ends it
  raise SIGNUM                    send itself a signal
  orphans N                       leave N processes to PID 1, count zombies
  daemons N                       leave N that sleep, each in a session of its own; wait for input
tools:
  gate COMMAND [ARGS]             wait for input, or its end, and then do that
  exit CODE | sleep SECONDS | cat FILE | true
  halt                            as PID 1 only: end this machine or container
";

/// Why a command did not do what it was asked to.
pub(crate) enum Failure {
    /// The kernel refused a call.
    Refused { call: &'static str, object: &'static CStr, errno: Errno },
    /// PID 1 sent itself a signal and lives.
    Survived,
    /// Standard output took no more.
    Output,
    /// No such command, or operands that it does not take.
    Misuse,
}

impl From<fmt::Error> for Failure {
    fn from(_: fmt::Error) -> Self {
        Failure::Output
    }
}

/// Names the call that failed and what it was about: `open(path).map_err(at("open", path))`.
pub(crate) fn at(call: &'static str, object: &'static CStr) -> impl Fn(Errno) -> Failure {
    move |errno| Failure::Refused { call, object, errno }
}

/// Runs one command; returns the exit code.
pub(crate) fn run(arguments: &[&'static CStr]) -> i32 {
    let mut out = Output::standard();
    let result = command(arguments, &mut out);
    // What was found before a refusal is shown all the same.
    let flushed = out.flush();
    match result.and_then(|code| flushed.map(|()| code)) {
        Ok(code) => code,
        Err(failure) => explain(&failure),
    }
}

fn command(arguments: &[&'static CStr], out: &mut Output) -> Result<i32, Failure> {
    let Some((name, operands)) = arguments.split_first() else {
        return Err(Failure::Misuse);
    };
    match (name.to_bytes(), operands) {
        (b"true", []) => Ok(()),
        (b"exit", [code]) => return number::<u8>(code).map(i32::from),
        (b"report", []) => report::report(out),
        (b"fds", []) => tools::descriptors(out),
        (b"interfaces", []) => interfaces::interfaces(out),
        (b"escape", []) => escape::escape(c"/etc/hostname", out),
        (b"escape", [file]) => escape::escape(file, out),
        (b"kill", [pid]) => attacks::kill(pid, 9),
        (b"kill", [pid, signal]) => attacks::kill(pid, number(signal)?),
        (b"ptrace", [pid]) => attacks::ptrace(pid),
        (b"hostname", [name]) => attacks::hostname(name),
        (b"mount", [source, target]) => attacks::mount(source, target),
        (b"umount", [target]) => attacks::umount(target),
        (b"ipc", [verb, key]) => ipc::system_v(verb, key, out),
        (b"queue", [verb, name]) => ipc::posix(verb, name),
        (b"eat", [amount]) => load::eat(size(amount)?, out),
        (b"spin", []) => load::spin(None),
        (b"spin", [seconds]) => load::spin(Some(number(seconds)?)),
        (b"forkbomb", []) => load::forkbomb(out),
        (b"signals", []) => signals::signals(false, out),
        (b"signals", [option]) if *option == c"--stay" => signals::signals(true, out),
        (b"raise", [signal]) => signals::raise(number(signal)?),
        (b"orphans", [count]) => orphans::orphans(number(count)?, out),
        (b"daemons", [count]) => orphans::daemons(number(count)?, out),
        (b"gate", [_, ..]) => {
            sys::wait_for_input();
            return command(operands, out);
        }
        (b"sleep", [seconds]) => tools::sleep(number(seconds)?),
        (b"cat", [file]) => tools::cat(file, out),
        (b"halt", []) => tools::halt(out),
        _ => Err(Failure::Misuse),
    }
    .map(|()| 0)
}

/// Says on standard error what went wrong; returns the exit code for it.
fn explain(failure: &Failure) -> i32 {
    match failure {
        Failure::Refused { call, object, errno } => {
            let object = object.to_str().unwrap_or("(not UTF-8)");
            let space = if object.is_empty() { "" } else { " " };
            complain(format_args!("probe: {call}{space}{object}: {errno}\n"));
        }
        Failure::Survived => complain(format_args!(
            "probe: raise: no effect: the kernel drops signals that PID 1 has no handler for\n"
        )),
        Failure::Output => {
            complain(format_args!("probe: write: standard output takes no more\n"));
        }
        Failure::Misuse => {
            complain(format_args!("{USAGE}"));
            return 2;
        }
    }
    1
}
