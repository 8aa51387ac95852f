//! The builder: what to run, with which arguments, environment and descriptors. `run` waits for the end, `spawn` leaves it
//! running under a guard, `on_terminal` gives it a terminal of its own.

use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::time::Duration;

use crate::{Output, PATIENCE, Running, Terminal, binary, is_root, shared_root, skip};

/// A chapter's binary, with the state directory that the tests of this process share.
pub fn chapter(number: u8) -> Program {
    let binary = binary(number);
    static FIRST: Once = Once::new();
    FIRST.call_once(|| {
        skip::leave_unless_namespaces();
        // The lab is made beforehand, so that no test finds in its output what the first run says about making it.
        // A binary that cannot even do this fails the tests themselves, which show more than this line could.
        let _ = program(&binary).state(shared_root()).words("run lab true").run();
    });
    program(&binary).state(shared_root())
}

/// Any other program, found on the PATH.
pub fn program(name: impl AsRef<OsStr>) -> Program {
    Program {
        line: vec![name.as_ref().to_owned()],
        env: Vec::new(),
        directory: None,
        input: Input::Nothing,
        leaked: Vec::new(),
        closed: Vec::new(),
        limits: Vec::new(),
        patience: PATIENCE,
    }
}

/// A script for `sh -eu`, on a disposable host: mount, UTS, IPC, network and PID namespaces of its own, in which the
/// script is root, whoever runs the test. Here a test may do to "the host" what it wants.
pub fn outer(script: &str) -> Program {
    let mut outer = program("unshare");
    if !is_root() {
        outer = outer.words("--user --map-root-user");
    }
    outer
        .words("--mount --uts --ipc --net --pid --fork --kill-child --mount-proc sh -euc")
        .arg(script)
        .arg("outer")
}

enum Input {
    /// Not the test's own input, which may be a developer's terminal.
    Nothing,
    Text(Vec<u8>),
    Open,
}

/// A program and how to start it. Each method returns the program, so that a test reads as one line.
pub struct Program {
    line: Vec<OsString>,
    /// Set to a value, or removed.
    env: Vec<(OsString, Option<OsString>)>,
    directory: Option<PathBuf>,
    input: Input,
    leaked: Vec<RawFd>,
    closed: Vec<RawFd>,
    limits: Vec<(u32, u64)>,
    patience: Duration,
}

impl Program {
    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Program {
        self.line.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Program {
        self.line.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// More arguments, separated by white space: `words("run lab cat /proc/1/status")`.
    pub fn words(self, words: &str) -> Program {
        self.args(words.split_whitespace())
    }

    /// The arguments `sh -c SCRIPT`.
    pub fn sh(self, script: &str) -> Program {
        self.args(["/bin/sh", "-c", script])
    }

    /// Runs it through another program, whose words come first: `under("strace -f -o FILE")`.
    pub fn under(mut self, words: &str) -> Program {
        self.line.splice(0..0, words.split_whitespace().map(OsString::from));
        self
    }

    /// Runs it in the middle of a script for sh, where `"$@"` stands for it.
    pub fn within(mut self, script: &str) -> Program {
        self.line.splice(0..0, ["sh", "-c", script, "sh"].map(OsString::from));
        self
    }

    /// Runs it as this user and group, with no other groups: `as_user(1000)`. Only root can.
    pub fn as_user(self, id: u32) -> Program {
        self.under(&format!("setpriv --reuid={id} --regid={id} --clear-groups --"))
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Program {
        self.env.push((name.into(), Some(value.as_ref().to_owned())));
        self
    }

    /// Removes a variable of its environment.
    pub fn env_remove(mut self, name: &str) -> Program {
        self.env.push((name.into(), None));
        self
    }

    /// Keeps its state in this directory (MINIDOCK_ROOT), and what is true only for now in one below it.
    pub fn state(self, directory: &Path) -> Program {
        self.env("MINIDOCK_ROOT", directory).env("MINIDOCK_RUN", directory.join("run"))
    }

    /// Starts in this directory.
    pub fn directory(mut self, directory: &Path) -> Program {
        self.directory = Some(directory.to_owned());
        self
    }

    /// Gives it this text as standard input, and then its end.
    pub fn stdin(mut self, text: impl AsRef<[u8]>) -> Program {
        self.input = Input::Text(text.as_ref().to_vec());
        self
    }

    /// Keeps its standard input open: see [`Running::write`] and [`Running::close_stdin`].
    pub fn open_stdin(mut self) -> Program {
        self.input = Input::Open;
        self
    }

    /// Starts without this descriptor, as a careless service manager does.
    pub fn close(mut self, descriptor: RawFd) -> Program {
        self.closed.push(descriptor);
        self
    }

    /// Starts with this descriptor open on / and not close-on-exec: a leak of the caller's.
    pub fn leak(mut self, descriptor: RawFd) -> Program {
        self.leaked.push(descriptor);
        self
    }

    /// Sets a resource limit, soft and hard (`libc::RLIMIT_…`, getrlimit(2)).
    pub fn limit(mut self, resource: u32, most: u64) -> Program {
        self.limits.push((resource, most));
        self
    }

    /// Waits longer or shorter than [`PATIENCE`] for its end.
    pub fn patience(mut self, patience: Duration) -> Program {
        self.patience = patience;
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Output {
        self.spawn().wait()
    }

    /// Starts it and returns a guard that kills it at the end of the test.
    #[track_caller]
    pub fn spawn(mut self) -> Running {
        let text = match std::mem::replace(&mut self.input, Input::Nothing) {
            Input::Nothing => None,
            Input::Text(text) => Some((text, false)),
            Input::Open => Some((Vec::new(), true)),
        };
        let (shown, patience) = (self.shown(), self.patience);
        let mut command = self.command();
        command.stdin(if text.is_some() { Stdio::piped() } else { Stdio::null() });
        Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()), shown, text, patience)
    }

    /// Starts it on a new terminal of this many rows and columns, which controls it and becomes its three descriptors.
    #[track_caller]
    pub fn on_terminal(self, rows: u16, columns: u16) -> Terminal {
        let shown = self.shown();
        Terminal::start(self.command(), shown, rows, columns)
    }

    /// The command line as one would type it, for messages.
    fn shown(&self) -> String {
        let words: Vec<_> = self.line.iter().map(|word| quoted(&word.to_string_lossy())).collect();
        words.join(" ")
    }

    fn command(self) -> Command {
        let mut command = Command::new(&self.line[0]);
        command.args(&self.line[1..]);
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let (leaked, closed, limits) = (self.leaked, self.closed, self.limits);
        let arrange = move || {
            leaked.iter().try_for_each(|&descriptor| leak(descriptor))?;
            closed.iter().try_for_each(|&descriptor| close(descriptor))?;
            limits.iter().try_for_each(|&(resource, most)| limit(resource, most))
        };
        // SAFETY: between fork and exec `arrange` only makes system calls; it neither allocates nor takes a lock.
        unsafe { command.pre_exec(arrange) };
        command
    }
}

fn leak(descriptor: RawFd) -> std::io::Result<()> {
    // SAFETY: the path is a C string, and the flags need no third argument. Without O_CLOEXEC: that is the leak.
    let opened = unsafe { libc::open(c"/".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY) };
    succeeded(opened)?;
    if opened != descriptor {
        // SAFETY: both numbers are plain integers; dup2 replaces what `descriptor` was, which is the test's wish.
        succeeded(unsafe { libc::dup2(opened, descriptor) })?;
        close(opened)?;
    }
    Ok(())
}

fn close(descriptor: RawFd) -> std::io::Result<()> {
    // SAFETY: called between fork and exec only, where no value in use owns the descriptor.
    succeeded(unsafe { libc::close(descriptor) })
}

fn limit(resource: u32, most: u64) -> std::io::Result<()> {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: `limit` is a valid rlimit for the length of the call.
    succeeded(unsafe { libc::setrlimit(resource, &limit) })
}

fn succeeded(result: libc::c_int) -> std::io::Result<()> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// As a shell would need it; and a 128 KiB argument is not shown in full.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-=:,+%@".contains(letter);
    match word.char_indices().nth(2000) {
        Some((end, _)) => format!("'{}'…[{} bytes]", &word[..end], word.len()),
        None if !word.is_empty() && word.chars().all(plain) => word.to_owned(),
        None => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_run_with_its_words_environment_and_input() {
        program("sh")
            .args(["-c", "cat; echo $TOKEN $1; echo bad >&2; exit 3", "sh"])
            .words(" one two ")
            .env("TOKEN", "t")
            .stdin("in\n")
            .run()
            .code(3)
            .stdout("in\nt one\n")
            .stderr("bad\n");
    }

    #[test]
    fn descriptors_are_closed_leaked_and_limited() {
        // The shell's own redirections would reuse descriptor 0, so ls looks at itself.
        let listed = program("ls").words("/proc/self/fd").close(0).leak(7).leak(9).run();
        let listed: Vec<_> = listed.text().lines().map(str::to_owned).collect();
        assert!(listed.contains(&"7".into()) && listed.contains(&"9".into()), "{listed:?}");
        program("sh").args(["-c", "ulimit -n"]).limit(libc::RLIMIT_NOFILE, 17).run().stdout("17\n");
    }

    #[test]
    fn another_program_can_go_first() {
        program("echo").words("a b").under("env -i").run().success().stdout("a b\n");
    }

    #[test]
    fn a_shown_command_line_can_be_typed_again() {
        assert_eq!(
            program("sh").args(["-c", "echo 'a b'", ""]).shown(),
            r"sh -c 'echo '\''a b'\''' ''"
        );
        assert!(program("x").arg("a".repeat(5000)).shown().ends_with("…[5000 bytes]"));
    }

    #[test]
    fn the_outer_host_is_disposable() {
        let token = crate::random_token();
        let before = nix::unistd::gethostname().unwrap();
        outer("hostname $1; mount -t tmpfs none /mnt; echo $(id -u) $$ $(hostname)")
            .arg(&token)
            .run()
            .success()
            .stdout(&format!("0 1 {token}\n"));
        assert_eq!(nix::unistd::gethostname().unwrap(), before);
    }
}
