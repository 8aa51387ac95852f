//! A terminal with a program on it: the test holds the master of a pseudo-terminal (pty(7)) and types, reads, resizes, and
//! asks for the line's settings as the kernel has them.

use std::fs::File;
use std::io::{Read, Result, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::{Pid, setsid};

use crate::{PATIENCE, host, wait_for};

/// A program on a terminal of its own; killed at the end of the test.
pub struct Terminal {
    command: String,
    child: Child,
    master: File,
    /// Kept open: the settings of the line outlive the program, and so can be compared after its end.
    slave: File,
    screen: Vec<u8>,
    /// Up to here `read_until` has found what it was asked for.
    read: usize,
}

impl Terminal {
    #[track_caller]
    pub(crate) fn start(mut command: Command, shown: String, rows: u16, columns: u16) -> Terminal {
        let (master, slave) = pseudo_terminal().expect("a pseudo-terminal is free");
        let copy = || slave.try_clone().expect("a descriptor is free");
        command.stdin(copy()).stdout(copy()).stderr(copy());
        // SAFETY: between fork and exec `take_terminal` makes two system calls and nothing else.
        unsafe { command.pre_exec(take_terminal) };
        set_size(&master, rows, columns);
        let child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
        Terminal { command: shown, child, master, slave, screen: Vec::new(), read: 0 }
    }

    /// Closes the terminal, as a window is closed; the program has no other.
    pub fn hang_up(&mut self) {
        let nothing = || File::open("/dev/null").expect("there is /dev/null");
        self.slave = nothing();
        self.master = nothing();
    }

    /// The program's process id on the host.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Types this text; `"\r"` is the return key, `"\x03"` Ctrl-C.
    #[track_caller]
    pub fn write(&mut self, text: &str) {
        let written = self.master.write_all(text.as_bytes());
        written.unwrap_or_else(|error| panic!("typing to {}: {error}", self.command));
    }

    /// Reads until `pattern` appears after what earlier calls have found; returns what stands before it.
    ///
    /// What is typed is echoed, so a pattern should not be part of it: type `echo $((6*7))`, wait for `42`.
    #[track_caller]
    pub fn read_until(&mut self, pattern: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let unread = &self.screen[self.read..];
            if let Some(at) =
                unread.windows(pattern.len()).position(|window| window == pattern.as_bytes())
            {
                let before = String::from_utf8_lossy(&unread[..at]).into_owned();
                self.read += at + pattern.len();
                return before;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero()
                    && self.receive(left.min(Duration::from_millis(100))) | self.is_running(),
                "{pattern:?} did not appear on the terminal of {}; there is:\n{}",
                self.command,
                self.screen()
            );
        }
    }

    /// Everything that has appeared so far.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen).into_owned()
    }

    /// Changes the size, as a window manager does; the foreground process group gets SIGWINCH.
    pub fn resize(&self, rows: u16, columns: u16) {
        set_size(&self.master, rows, columns);
    }

    /// The settings of the line: echo, signals, line editing (termios(3)).
    pub fn settings(&self) -> Termios {
        tcgetattr(&self.slave).expect("it is a terminal")
    }

    /// Waits until the settings are these again: a program that was killed may have left a helper that restores them.
    #[track_caller]
    pub fn wait_for_settings(&self, expected: &Termios) {
        let what = format!("the terminal settings {expected:?}, they are {:?}", self.settings());
        wait_for(&what, || (self.settings() == *expected).then_some(()));
    }

    /// Whether the program still runs. Reads along: on a full terminal it would not get any further.
    pub fn is_running(&mut self) -> bool {
        while self.receive(Duration::ZERO) {}
        self.child.try_wait().expect("the child is ours").is_none()
    }

    /// Waits for the program's end, reading along so that it never blocks on a full terminal.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            while self.receive(Duration::from_millis(5)) {}
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                while self.receive(Duration::ZERO) {}
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} still runs; on its terminal there is:\n{}",
                self.command,
                self.screen()
            );
        }
    }

    /// Reads what comes within `limit`; false when nothing did.
    fn receive(&mut self, limit: Duration) -> bool {
        let mut watched = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        poll(&mut watched, PollTimeout::try_from(limit).expect("a short time"))
            .expect("a terminal can be polled");
        if watched[0].any() != Some(true) {
            return false;
        }
        let mut buffer = [0; 4096];
        // EIO is a terminal's way of saying that nobody has it open any more.
        let count = self.master.read(&mut buffer).unwrap_or(0);
        self.screen.extend_from_slice(&buffer[..count]);
        count > 0
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A shell's children outlive it, and what runs in a session of its own hears no hang-up.
        let below = host::descendants(self.pid());
        // These fail only when the process has ended, and was waited for, which is what they are for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in below {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Both ends, close-on-exec from the start: a copy of the master in some other test's child would keep the line from
/// ever hanging up, which rules out openpty(3).
fn pseudo_terminal() -> Result<(File, File)> {
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let slave = File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(ptsname_r(&master)?)?;
    Ok((OwnedFd::from(master).into(), slave))
}

/// The child's part: a session of its own, controlled by the terminal on its standard input.
fn take_terminal() -> Result<()> {
    setsid()?;
    // SAFETY: descriptor 0 is the terminal, and a session leader without one may take it.
    match unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

fn set_size(master: &File, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the descriptor is a terminal's, and `size` is a valid winsize for the length of the call.
    let result = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &size) };
    assert_eq!(result, 0, "TIOCSWINSZ: {}", std::io::Error::last_os_error());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program;
    use nix::sys::termios::LocalFlags;

    #[test]
    fn a_shell_is_driven_on_its_terminal() {
        let mut shell = program("sh").env("PS1", "> ").on_terminal(30, 90);
        shell.write("tty; stty size\r");
        shell.read_until("/dev/pts/");
        shell.read_until("30 90");
        shell.resize(20, 70);
        shell.write("stty size; stty -echo\r");
        shell.read_until("20 70");
        wait_for("no echo", || {
            (!shell.settings().local_flags.contains(LocalFlags::ECHO)).then_some(())
        });
        shell.write("exit $((6*7))\r");
        assert_eq!(shell.wait().code(), Some(42));
    }

    #[test]
    fn control_c_interrupts_the_foreground() {
        let mut cat = program("sh").args(["-c", "echo ready; exec cat"]).on_terminal(24, 80);
        cat.read_until("ready");
        cat.write("\x03");
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&cat.wait()), Some(libc::SIGINT));
    }

    #[test]
    fn dropping_it_kills_what_runs_on_it() {
        let mut shell = program("sh")
            .args(["-c", "setsid sh -c 'echo $$; sleep 600; :'; :"])
            .on_terminal(24, 80);
        let pid: i32 = shell.read_until("\n").trim().parse().unwrap();
        drop(shell);
        wait_for("its end", || (!host::is_alive(pid)).then_some(()));
    }

    #[test]
    fn what_never_appears_is_a_failure_with_the_screen_in_it() {
        let mut echo = program("echo").arg("something else").on_terminal(24, 80);
        let failure =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| echo.read_until("this")))
                .unwrap_err();
        assert!(failure.downcast_ref::<String>().unwrap().contains("something else"));
    }
}
