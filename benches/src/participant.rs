//! One command line that takes part, and how it is timed: from before it is spawned until it is
//! reaped, or until its first byte arrives; or by its own clock, if the start is not what is asked.

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A command that can be run again and again.
pub struct Participant {
    /// What the tables call it.
    pub name: &'static str,
    words: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    command: Command,
    until: Until,
    code: i32,
    idle: Duration,
}

/// What ends a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// The process has ended, and so has all that it waited for.
    Exit,
    /// The first byte of output has arrived.
    FirstByte,
    /// The work of the command is done: it prints how many microseconds that took, the start not
    /// included.
    Told,
}

/// What one whole process used at most, by wait4(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        let (until, idle) = (Until::Exit, Duration::ZERO);
        let environment = Vec::new();
        Ok(Participant { name, words, environment, command, until, code: 0, idle })
    }

    /// A variable of its environment, which is small and the same for all otherwise.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Participant {
        let value = value.into();
        self.command.env(name, &value);
        self.environment.push((name, value));
        self
    }

    /// Times it until then.
    #[must_use]
    pub fn until(mut self, until: Until) -> Participant {
        if until != Until::Exit {
            self.command.stdout(Stdio::piped());
        }
        self.until = until;
        self
    }

    /// Its exit code, if another one than 0 is right.
    #[must_use]
    pub fn code(mut self, code: i32) -> Participant {
        self.code = code;
        self
    }

    /// Rests so long before each run. That is in no time, but it shows: a kernel with nothing else
    /// to do lets a caller wait longer for the end of an RCU grace period.
    #[must_use]
    pub fn after_idle(mut self, idle: Duration) -> Participant {
        self.idle = idle;
        self
    }

    /// Whether each of its runs is preceded by a rest.
    pub fn rests(&self) -> bool {
        !self.idle.is_zero()
    }

    /// The command as one would type it.
    pub fn shown(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    /// Runs it once, showing what it says if it fails.
    ///
    /// # Errors
    /// If it ends otherwise than with its exit code.
    pub fn check(&self) -> Result<()> {
        let mut command = quiet(&self.words)?;
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.stderr(Stdio::piped()).output();
        let output = output.with_context(|| self.shown())?;
        let said = String::from_utf8_lossy(&output.stderr);
        self.succeeded(output.status, said.trim())
    }

    /// Runs it once and says how long that took.
    ///
    /// # Errors
    /// As [`Participant::check`]: a run that failed is no measurement.
    pub fn time(&mut self) -> Result<Duration> {
        sleep(self.idle);
        let begin = Instant::now();
        let mut child = self.command.spawn()?;
        let (took, status) = match self.until {
            Until::Exit => {
                let status = child.wait()?;
                (Ok(begin.elapsed()), status)
            }
            Until::FirstByte => {
                first_byte(&mut child).with_context(|| self.shown())?;
                (Ok(begin.elapsed()), child.wait()?)
            }
            Until::Told => {
                let output = child.wait_with_output()?;
                (told(&output.stdout), output.status)
            }
        };
        // A command that failed has said nothing that could be parsed.
        self.succeeded(status, "")?;
        took.with_context(|| self.shown())
    }

    fn succeeded(&self, status: ExitStatus, said: &str) -> Result<()> {
        let colon = if said.is_empty() { "" } else { ": " };
        ensure!(status.code() == Some(self.code), "{}: {status}{colon}{said}", self.shown());
        Ok(())
    }

    /// What it uses, the most of several runs; nothing is known of a command that does not end with
    /// 0. `usage` is the program of `peers/usage.c`.
    ///
    /// # Errors
    /// As [`Participant::check`].
    pub fn usage(&self, usage: &Path) -> Result<Option<Usage>> {
        if self.code != 0 {
            return Ok(None);
        }
        let words = std::iter::once(usage.into()).chain(self.words.iter().cloned());
        let mut command = quiet(&words.collect::<Vec<_>>())?;
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut most = Usage { peak_kib: 0, faults: 0 };
        for _ in 0..5 {
            let output = command.stdout(Stdio::piped()).output()?;
            ensure!(output.status.success(), "usage of {}: {}", self.shown(), output.status);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let (peak, faults) = text.trim().split_once(' ').context("two numbers")?;
            most.peak_kib = most.peak_kib.max(peak.parse()?);
            most.faults = most.faults.max(faults.parse()?);
        }
        Ok(Some(most))
    }
}

/// Waits for it. What comes after fits into the pipe.
fn first_byte(child: &mut Child) -> Result<()> {
    let mut byte = [0];
    let output = child.stdout.as_mut().context("its output is a pipe")?;
    let read = output.read_exact(&mut byte).context("it ended without a word");
    if read.is_err() {
        child.wait()?;
    }
    read
}

/// `1234`, and nothing else.
fn told(output: &[u8]) -> Result<Duration> {
    let text = String::from_utf8_lossy(output);
    let micros = text.trim().parse().with_context(|| format!("no number of microseconds: {text}"));
    Ok(Duration::from_micros(micros?))
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
        assert!(failing.code(3).time().is_ok());
    }

    #[test]
    fn the_first_byte_is_taken_while_the_command_still_runs() {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "echo; read until_told"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        first_byte(&mut child).unwrap();
        assert!(child.try_wait().unwrap().is_none());
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn silence_is_no_measurement() {
        for until in [Until::FirstByte, Until::Told] {
            let silent = Participant::new("true", ["/bin/true"]).unwrap();
            assert!(silent.until(until).time().is_err());
        }
    }

    #[test]
    fn a_command_tells_a_time_of_its_own() {
        let telling = |script| Participant::new("sh", ["/bin/sh", "-c", script]).unwrap();
        let mut right = telling("echo 12345").until(Until::Told);
        assert_eq!(right.time().unwrap(), Duration::from_micros(12345));
        assert!(telling("echo 12 and more").until(Until::Told).time().is_err());
        assert!(telling("echo 12; exit 1").until(Until::Told).time().is_err());
    }

    #[test]
    fn a_variable_reaches_each_of_its_runs() {
        let script = "test \"$ASKED\" = 'so much' && echo 1";
        let asked = Participant::new("sh", ["/bin/sh", "-c", script]).unwrap();
        assert!(asked.check().is_err());
        let mut asked = asked.until(Until::Told).env("ASKED", "so much");
        asked.check().unwrap();
        assert_eq!(asked.time().unwrap(), Duration::from_micros(1));
    }

    #[test]
    fn the_rest_before_a_run_is_not_in_its_time() {
        let rest = Duration::from_millis(50);
        let mut rested = Participant::new("sh", ["/bin/sh", "-c", "echo 1"]).unwrap();
        assert!(!rested.rests());
        rested = rested.until(Until::Told).after_idle(rest);
        let begin = Instant::now();
        assert_eq!(rested.time().unwrap(), Duration::from_micros(1));
        assert!(rested.rests() && begin.elapsed() >= rest);
    }
}
