//! Runs commands as a reader would, on a machine that is the same everywhere: `environment.sh` in
//! namespaces of its own.

use crate::tree::Tree;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// Far longer than any command of the book takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The chapters' programs and examples and the labs' grader, as a reader builds them.
pub(crate) struct Programs(Vec<PathBuf>);

impl Programs {
    /// Has cargo build them: programs as `cargo minidock` does, examples as `cargo build` does,
    /// and the grader as `cargo xtask lab` does.
    pub(crate) fn build(tree: &Tree) -> Result<Programs> {
        let mut programs = cargo_build(tree, "ch*", &["--release", "--bins"])?;
        programs.extend(cargo_build(tree, "ch*", &["--examples"])?);
        programs.extend(cargo_build(tree, "labs", &["--bins"])?);
        Ok(Programs(programs))
    }
}

/// The executables that cargo says it has built.
fn cargo_build(tree: &Tree, package: &str, what: &[&str]) -> Result<Vec<PathBuf>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--package", package, "--message-format=json-render-diagnostics"])
        .args(what)
        .current_dir(tree.path(""))
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "the programs of {package} cannot be built");
    let messages = String::from_utf8(output.stdout).context("cargo's messages are no text")?;
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message["executable"].as_str()?))
    };
    Ok(messages.lines().filter_map(executable).collect())
}

/// A shell on such a machine. It ends, with all its processes, when this is dropped.
pub(crate) struct Environment {
    shell: Child,
    commands: ChildStdin,
    outputs: Receiver<String>,
}

impl Environment {
    /// Starts one.
    ///
    /// # Errors
    /// Making a mount namespace and the rest takes root, control groups that can limit memory and
    /// processes, and bash(1), unshare(1), ip(8) and perl(1).
    pub(crate) fn start(tree: &Tree, programs: &Programs) -> Result<Environment> {
        let mut shell = Command::new("bash")
            .arg(tree.path("book/limits.sh"))
            .args([
                "unshare",
                "--mount",
                "--uts",
                "--ipc",
                "--net",
                "--pid",
                "--fork",
                "--kill-child",
            ])
            .args(["--mount-proc", "--propagation", "private", "bash"])
            .arg(tree.path("book/environment.sh"))
            .args(&programs.0)
            .env_clear()
            .env("PATH", "/mnt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/mnt/home")
            .env("USER", "root")
            .env("LANG", "C.UTF-8")
            .env("TERM", "dumb")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start bash(1)")?;
        let commands = shell.stdin.take().context("no pipe")?;
        let mut told = BufReader::new(shell.stdout.take().context("no pipe")?);
        let (sender, outputs) = mpsc::channel();
        std::thread::spawn(move || {
            let mut output = Vec::new();
            while told.read_until(0, &mut output).is_ok_and(|read| read > 0) {
                if output.pop() != Some(0) {
                    return;
                }
                let text = String::from_utf8_lossy(&output).into_owned();
                // Nobody waits for it any more once the environment is dropped.
                if sender.send(text).is_err() {
                    return;
                }
                output.clear();
            }
        });
        let environment = Environment { shell, commands, outputs };
        environment.next().context("the machine for the transcripts cannot be made, see above")?;
        Ok(environment)
    }

    /// What a command prints on its standard output and error.
    pub(crate) fn run(&mut self, command: &str) -> Result<String> {
        self.commands.write_all(format!("{command}\0").as_bytes()).context("the shell is gone")?;
        self.next().with_context(|| format!("`{command}`"))
    }

    fn next(&self) -> Result<String> {
        match self.outputs.recv_timeout(PATIENCE) {
            Ok(output) => Ok(output),
            Err(mpsc::RecvTimeoutError::Timeout) => bail!("no end after {} s", PATIENCE.as_secs()),
            Err(mpsc::RecvTimeoutError::Disconnected) => bail!("the shell has ended"),
        }
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        // limits.sh kills what it has started, which takes its PID namespace with it, and removes the
        // groups. It cannot be told only if it has ended by itself.
        let _told = kill(Pid::from_raw(self.shell.id() as i32), Signal::SIGTERM);
        let _collected = self.shell.wait();
    }
}
