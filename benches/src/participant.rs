//! One command line that takes part, and how it is timed: the whole process, from before it is
//! spawned until it is reaped.

use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A command that can be run again and again.
pub struct Participant {
    /// What the tables call it.
    pub name: &'static str,
    words: Vec<OsString>,
    command: Command,
}

/// What one whole process used at most, by wait4(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// KiB of memory at the highest point, of the process or of the largest that it waited for.
    pub peak_kib: u64,
    /// Page faults that needed no disk, of all of them together.
    pub faults: u64,
}

impl Participant {
    /// The first word is the program's path: a search along PATH would be measured, too.
    ///
    /// # Errors
    /// If /dev/null cannot be opened.
    pub fn new(
        name: &'static str,
        words: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Result<Participant> {
        let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
        let command = quiet(&words)?;
        Ok(Participant { name, words, command })
    }

    /// The command as one would type it.
    pub fn shown(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    /// Runs it once, showing what it says if it fails.
    ///
    /// # Errors
    /// If it ends otherwise than with exit code 0.
    pub fn check(&self) -> Result<()> {
        let output = quiet(&self.words)?.stderr(Stdio::piped()).output();
        let output = output.with_context(|| self.shown())?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {}: {said}", self.shown(), output.status);
        Ok(())
    }

    /// Runs it once and says how long that took.
    ///
    /// # Errors
    /// As [`Participant::check`]: a run that failed is no measurement.
    pub fn time(&mut self) -> Result<Duration> {
        let begin = Instant::now();
        let status = self.command.spawn()?.wait()?;
        let took = begin.elapsed();
        ensure!(status.success(), "{}: {status}", self.shown());
        Ok(took)
    }

    /// What it uses, the most of several runs. `usage` is the program of `peers/usage.c`.
    ///
    /// # Errors
    /// As [`Participant::check`].
    pub fn usage(&self, usage: &Path) -> Result<Usage> {
        let words = std::iter::once(usage.into()).chain(self.words.iter().cloned());
        let mut command = quiet(&words.collect::<Vec<_>>())?;
        let mut most = Usage { peak_kib: 0, faults: 0 };
        for _ in 0..5 {
            let output = command.stdout(Stdio::piped()).output()?;
            ensure!(output.status.success(), "usage of {}: {}", self.shown(), output.status);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let (peak, faults) = text.trim().split_once(' ').context("two numbers")?;
            most.peak_kib = most.peak_kib.max(peak.parse()?);
            most.faults = most.faults.max(faults.parse()?);
        }
        Ok(most)
    }
}

/// The same small environment for all; no terminal, which would have to be relayed. /dev/null is
/// opened here and not at each start.
fn quiet(words: &[OsString]) -> Result<Command> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.stdin(null.try_clone()?).stdout(null.try_clone()?).stderr(null);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_timed_to_its_end() {
        let mut sleep = Participant::new("sleep", ["/bin/sleep", "0.05"]).unwrap();
        assert!(sleep.time().unwrap() >= Duration::from_millis(50));
    }

    #[test]
    fn a_run_that_fails_is_no_measurement() {
        let mut failing =
            Participant::new("sh", ["/bin/sh", "-c", "echo why >&2; exit 3"]).unwrap();
        assert!(failing.time().is_err());
        assert!(failing.check().unwrap_err().to_string().contains("why"));
    }
}
