//! The binary that is graded, and ways to start it. Its root is a directory with nothing in it but the probe, so that a
//! binary needs no `lab` of its own, and the command's first word is one that nobody else has.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::{Output, Program, RootDir, Running, Terminal, host};

use super::state::State;
use crate::grade::Verdict;

/// For one command to end, or to appear.
const PATIENCE: Duration = Duration::from_secs(15);

/// A binary under test.
pub(crate) struct Subject {
    binary: PathBuf,
    state: State,
    pub(crate) root: RootDir,
    pub(crate) token: String,
    names: Cell<u32>,
}

/// Whether mounts of the host's are seen in namespaces that come from it, as on most machines.
#[derive(Clone, Copy)]
pub(crate) enum Mounts {
    Private,
    Shared,
}

impl Mounts {
    /// What makes a namespace of them.
    pub(crate) fn unshare(self) -> &'static str {
        match self {
            Mounts::Private => "unshare --mount --propagation private --",
            Mounts::Shared => "unshare --mount --propagation shared --",
        }
    }
}

impl Subject {
    pub(crate) fn new(binary: &Path) -> Subject {
        let token = testkit::random_token();
        let root = RootDir::new().program(&format!("/probe-{token}"), probe::PROGRAM);
        // The same path means it on the host and in the root: see `path_anywhere`.
        let path = root.at(&format!("/probe-{token}")).display().to_string();
        let root = root.program(&path, probe::PROGRAM);
        Subject { binary: binary.into(), state: State::new(), root, token, names: Cell::new(0) }
    }

    /// `BINARY …`, in a mount namespace that ends with it: a root that it changes by mistake is not ours.
    pub(crate) fn binary(&self, mounts: Mounts) -> Program {
        self.plain().under(mounts.unshare())
    }

    /// `BINARY …` where we are: to be put into something else.
    pub(crate) fn plain(&self) -> Program {
        let plain = testkit::program(&self.binary).state(self.state()).patience(PATIENCE);
        // A preference of the caller's is no fault of the solution.
        plain.env_remove("MINIDOCK_STORAGE_DRIVER")
    }

    /// Where it keeps its files.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// A skip, unless a layer can say that a directory is opaque where it keeps its files.
    pub(crate) fn needs_opaque(&self) -> Result<(), Verdict> {
        if self.state.keeps(c"trusted.overlay.opaque") || self.keeps_user_attributes() {
            return Ok(());
        }
        let reason = "the file system of the temporary directory keeps no attributes";
        let remedy = "name a directory on ext4, xfs or btrfs: TMPDIR=/var/tmp; a tmpfs keeps those of users from Linux 6.6 on";
        Err(Verdict::skip(reason, remedy))
    }

    /// Whether they can have attributes of users.
    pub(crate) fn keeps_user_attributes(&self) -> bool {
        self.state.keeps(c"user.overlay.opaque")
    }

    /// `BINARY run OPTIONS ROOT`, to be followed by the command.
    pub(crate) fn run(&self, options: &str) -> Program {
        self.binary(Mounts::Private).arg("run").words(options).arg(self.root.path())
    }

    /// The command that can be found.
    pub(crate) fn command(&self) -> String {
        format!("/probe-{}", self.token)
    }

    /// A name for a container that no other one has, or had.
    pub(crate) fn new_name(&self) -> String {
        self.names.set(self.names.get() + 1);
        format!("lab-{}-{}", self.token, self.names.get())
    }

    /// A path of that command that holds in the root and on the host: a check of namespaces shall not fail for the root
    /// that came with one of them.
    pub(crate) fn path_anywhere(&self) -> PathBuf {
        self.root.at(&self.command())
    }

    /// A container that sleeps, and the number of its command.
    pub(crate) fn sleeper(&self, run: Program) -> Result<(Running, i32), Verdict> {
        self.start(run.arg(self.command()).words("sleep 600"))
    }

    /// Starts a program that leads to our command, and waits for that: one more than there may be already.
    pub(crate) fn start(&self, program: Program) -> Result<(Running, i32), Verdict> {
        let others = self.processes();
        let mut running = program.spawn();
        match self.wait(|| running.is_running(), &others) {
            Some(pid) => Ok((running, pid)),
            None if running.is_running() => {
                Err(never("it runs, but its command has not started", "waited 15 s"))
            }
            None => Err(not_run(&running.wait())),
        }
    }

    /// The same on a terminal.
    pub(crate) fn start_on_terminal(&self, program: Program) -> Result<(Terminal, i32), Verdict> {
        let program = program.arg(self.command()).words("sleep 600");
        let mut terminal = program.on_terminal(24, 80);
        match self.wait(|| terminal.is_running(), &[]) {
            Some(pid) => Ok((terminal, pid)),
            None => {
                let shown = format!("on its terminal: {:?}", terminal.screen());
                Err(never("with -t, its command has not started", &shown))
            }
        }
    }

    /// Waits for a command of ours that is none of these, as long as somebody runs who could start it.
    pub(crate) fn wait(&self, mut runs: impl FnMut() -> bool, but: &[i32]) -> Option<i32> {
        let ours = |pid: &i32| {
            !but.contains(pid)
                && host::cmdline(*pid).is_some_and(|words| {
                    words.first().is_some_and(|word| word.ends_with(&self.command()))
                })
        };
        let found = testkit::wait_at_most(PATIENCE, || {
            // Asked first: what ends after that may have started something before.
            let ended = !runs();
            let found = host::processes().into_iter().find(ours);
            (found.is_some() || ended).then_some(found)
        });
        found.flatten()
    }
}

fn never(observed: &str, evidence: &str) -> Verdict {
    Verdict::fail(observed, evidence, "look where it stops: run it under `strace -f`")
}

/// What is observed then.
pub(crate) const NOT_RUN: &str = "the command was not run";

/// The verdict on a `run` that did not run its command.
pub(crate) fn not_run(session: &Output) -> Verdict {
    let help = "its own message says which call failed; `strace -f` shows the calls before it";
    Verdict::fail(NOT_RUN, &said(session), help)
}

/// How a session ended and what it said, in one line.
pub(crate) fn said(session: &Output) -> String {
    let errors = session.errors();
    let words: Vec<&str> = errors.split_whitespace().collect();
    format!("{}; standard error: {:?}", session.status(), words.join(" "))
}
