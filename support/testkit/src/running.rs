//! A program that runs while the test goes on: its output is collected as it comes, and it is killed and waited for at the
//! end of the test, whether that passes or panics.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::process::{Child, ChildStdin, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Output, host};

/// A started program.
pub struct Running {
    command: String,
    child: Child,
    stdin: Option<ChildStdin>,
    writer: Option<JoinHandle<()>>,
    stdout: Stream,
    stderr: Stream,
    patience: Duration,
}

/// A program that a test has just copied may be open for writing in a child that another test has forked and that has
/// not become its program yet (ETXTBSY in execve(2)); a moment later it is not.
fn spawn(command: &mut Command) -> std::io::Result<Child> {
    let deadline = Instant::now() + crate::PATIENCE;
    loop {
        match command.spawn() {
            Err(error)
                if error.kind() == ErrorKind::ExecutableFileBusy && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            spawned => return spawned,
        }
    }
}

impl Running {
    #[track_caller]
    pub(crate) fn start(
        command: &mut Command,
        shown: String,
        input: Option<(Vec<u8>, bool)>,
        patience: Duration,
    ) -> Running {
        let mut child = spawn(command).unwrap_or_else(|error| panic!("{shown}: {error}"));
        let mut stdin = child.stdin.take();
        let writer = match input {
            // In a thread of its own: a program that writes before it has read everything would block both.
            Some((text, false)) => stdin.take().map(|mut stdin| {
                // A program may end without reading its input; that is its right.
                std::thread::spawn(move || _ = stdin.write_all(&text))
            }),
            _ => None,
        };
        let stdout = Stream::collect(child.stdout.take().expect("standard output is a pipe"));
        let stderr = Stream::collect(child.stderr.take().expect("standard error is a pipe"));
        Running { command: shown, child, stdin, writer, stdout, stderr, patience }
    }

    /// Its process id on the host.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Sends a signal to the program itself.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal)
            .unwrap_or_else(|error| panic!("{signal} to {}: {error}", self.command));
    }

    /// Writes to its standard input, which `open_stdin` has kept open.
    #[track_caller]
    pub fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("started with open_stdin");
        stdin
            .write_all(text.as_bytes())
            .unwrap_or_else(|error| panic!("input of {}: {error}", self.command));
    }

    /// Ends its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for a line of standard output that contains `pattern`, and returns it.
    #[track_caller]
    pub fn wait_for_line(&self, pattern: &str) -> String {
        self.line(&self.stdout, "standard output", pattern)
    }

    /// Waits for a line of standard error that contains `pattern`, and returns it.
    #[track_caller]
    pub fn wait_for_error(&self, pattern: &str) -> String {
        self.line(&self.stderr, "standard error", pattern)
    }

    #[track_caller]
    fn line(&self, stream: &Stream, name: &str, pattern: &str) -> String {
        stream.line(pattern, Instant::now() + self.patience).unwrap_or_else(|| {
            panic!(
                "no line with {pattern:?} came from {name} of {}\n--- standard output\n{}\n--- standard error\n{}",
                self.command,
                String::from_utf8_lossy(&self.stdout.bytes()),
                String::from_utf8_lossy(&self.stderr.bytes())
            )
        })
    }

    /// The process id on the host of the container's first process, once it runs its command: the kernel's answer, found
    /// among the descendants by the container's mark in their mount tables (see [`host::container_id`]).
    #[track_caller]
    pub fn container_pid(&self) -> i32 {
        crate::wait_for(&format!("the container of {}", self.command), || {
            host::descendants(self.pid()).into_iter().find(|&pid| {
                let line = host::cmdline(pid).filter(|line| !line.is_empty());
                // Between clone and exec the child still carries the command line of its parent, which may have been a
                // shell's a moment before.
                host::container_id(pid).is_some()
                    && line.is_some_and(|line| Some(line) != host::cmdline(self.pid()))
            })
        })
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the child is ours").is_none()
    }

    /// Kills the program as `kill -9` does, and nothing that it has started.
    pub fn kill_alone(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("the child is ours");
    }

    /// Waits for the end of the program and of everything that it wrote.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        self.stdin = None;
        let deadline = Instant::now() + self.patience;
        let Some(status) = self.ended(deadline) else {
            panic!("still running after {} s\n{}", self.patience.as_secs(), self.shown());
        };
        if !self.stdout.closed(deadline) || !self.stderr.closed(deadline) {
            panic!(
                "it ended ({status}), but a process that it left behind holds its output\n{}",
                self.shown()
            );
        }
        if let Some(writer) = self.writer.take() {
            writer.join().expect("the writing thread does not panic");
        }
        Output {
            command: std::mem::take(&mut self.command),
            status,
            stdout: self.stdout.take(),
            stderr: self.stderr.take(),
        }
    }

    fn ended(&mut self, deadline: Instant) -> Option<ExitStatus> {
        if let Some(status) = self.child.try_wait().expect("the child is ours") {
            return Some(status);
        }
        let pidfd = pidfd(self.child.id());
        let mut watched = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
        let left = deadline.saturating_duration_since(Instant::now());
        poll(&mut watched, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))
            .expect("a pidfd can be polled");
        self.child.try_wait().expect("the child is ours")
    }

    fn shown(&self) -> String {
        let (stdout, stderr) = (self.stdout.bytes(), self.stderr.bytes());
        format!(
            "command: {}\n--- standard output\n{}\n--- standard error\n{}",
            self.command,
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // What outlives its command line, as a container of a later chapter does, is not to outlive the test.
        let mut below = host::descendants(self.pid());
        below.retain(|pid| host::container_id(*pid).is_some());
        // These fail only when the process has ended, and was waited for, which is what they are for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in below {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// A pidfd turns "wait at most so long" into one poll (pidfd_open(2)).
fn pidfd(pid: u32) -> OwnedFd {
    // SAFETY: the call takes two integers. The child has not been waited for, so the id is still its own.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    assert!(descriptor >= 0, "pidfd_open({pid}): {}", std::io::Error::last_os_error());
    // SAFETY: the kernel has just made this descriptor for us, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(descriptor as i32) }
}

/// What comes from a pipe, collected by a thread.
#[derive(Clone)]
struct Stream(Arc<(Mutex<Collected>, Condvar)>);

#[derive(Default)]
struct Collected {
    bytes: Vec<u8>,
    closed: bool,
}

impl Stream {
    fn collect(mut from: impl Read + Send + 'static) -> Stream {
        let stream = Stream(Arc::default());
        let shared = stream.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 64 * 1024];
            loop {
                let count = from.read(&mut buffer).unwrap_or(0);
                let (collected, changed) = &*shared.0;
                let mut collected = collected.lock().expect("no holder of this lock panics");
                collected.bytes.extend_from_slice(&buffer[..count]);
                collected.closed = count == 0;
                changed.notify_all();
                if count == 0 {
                    break;
                }
            }
        });
        stream
    }

    /// Waits until `look` finds something in what has come, the pipe is closed, or time is up.
    fn wait<T>(
        &self,
        deadline: Instant,
        mut look: impl FnMut(&mut Collected) -> Option<T>,
    ) -> Option<T> {
        let (collected, changed) = &*self.0;
        let mut collected = collected.lock().expect("no holder of this lock panics");
        loop {
            if let Some(found) = look(&mut collected) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if collected.closed || left.is_zero() {
                return None;
            }
            collected =
                changed.wait_timeout(collected, left).expect("no holder of this lock panics").0;
        }
    }

    fn line(&self, pattern: &str, deadline: Instant) -> Option<String> {
        self.wait(deadline, |collected| {
            let text = String::from_utf8_lossy(&collected.bytes);
            // A line that is not complete yet may be the beginning of a longer one.
            let complete = if collected.closed {
                &text
            } else {
                &text[..text.rfind('\n').map_or(0, |end| end + 1)]
            };
            complete.lines().find(|line| line.contains(pattern)).map(str::to_owned)
        })
    }

    fn closed(&self, deadline: Instant) -> bool {
        self.wait(deadline, |collected| collected.closed.then_some(())).is_some()
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.0.lock().expect("no holder of this lock panics").bytes.clone()
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.0.lock().expect("no holder of this lock panics").bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program;

    #[test]
    fn lines_are_waited_for_and_input_is_answered() {
        let mut cat = program("cat").open_stdin().spawn();
        cat.write("begin");
        cat.write("ning\nmore\n");
        assert_eq!(cat.wait_for_line("begin"), "beginning");
        cat.close_stdin();
        cat.wait().success().stdout("beginning\nmore\n");
    }

    #[test]
    fn a_signal_reaches_it() {
        let sleeper = program("sleep").arg("600").spawn();
        sleeper.signal(Signal::SIGTERM);
        sleeper.wait().killed_by(libc::SIGTERM);
    }

    #[test]
    fn dropping_it_kills_it() {
        let mut sleeper = program("sleep").arg("600").spawn();
        let pid = sleeper.pid();
        assert!(sleeper.is_running());
        drop(sleeper);
        assert!(!host::is_alive(pid));
    }

    #[test]
    fn patience_ends() {
        let sleeper = program("sleep").arg("600").patience(Duration::from_millis(20));
        let failure = std::panic::catch_unwind(|| _ = sleeper.run()).unwrap_err();
        assert!(failure.downcast_ref::<String>().unwrap().contains("still running"));
    }

    #[test]
    fn a_process_that_was_left_behind_is_a_failure() {
        let left =
            program("sh").args(["-c", "sleep 600 & echo $!"]).patience(Duration::from_millis(500));
        let failure = std::panic::catch_unwind(|| _ = left.run()).unwrap_err();
        let message = failure.downcast_ref::<String>().unwrap();
        assert!(message.contains("left behind"), "{message}");
        let pid = message.lines().find_map(|line| line.parse().ok()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
}
