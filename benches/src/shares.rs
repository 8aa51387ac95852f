//! Whether `--cpus` yields what it says: processes that never rest, and what their group has used by the
//! kernel's own counter, over seconds. The counters are those of the host's cgroup tree, not what
//! minidock says.

use crate::ground::Ground;
use crate::ladder::portable;
use crate::results::Outcome;
use crate::{peers, workload};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The unit of shares: a thousandth of a processor.
pub const UNIT: &str = "millicpu";
/// What the bar is about: a limit of half a processor.
pub const HALF: &str = "--cpus 0.5, 1 process";

/// Each window is so long: twenty of the kernel's periods, so that an edge counts little.
const WINDOW: Duration = Duration::from_secs(2);
/// Before the first window: what each processor was given in advance is used up by then.
const WARM_UP: Duration = Duration::from_millis(500);

/// One measurement: its name, the limit as the option takes it, in [`UNIT`], and how many processes.
type Case = (&'static str, &'static str, u64, &'static str);

/// All of them.
pub const CASES: [Case; 2] =
    [(HALF, "0.5", 500, "1"), ("--cpus 0.2, 4 processes", "0.2", 200, "4")];

/// What a limit of processor time yielded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// What it is called.
    pub name: String,
    /// The exact command.
    pub command: String,
    /// The limit.
    pub limit: u64,
    /// [`UNIT`].
    pub unit: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome<Yield>,
}

/// Processor time divided by the time that passed, in windows of [`WINDOW`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Yield {
    /// How many windows.
    pub count: usize,
    /// Half of them yielded less.
    pub median: u64,
    /// The least.
    pub min: u64,
    /// The most.
    pub max: u64,
    /// Periods of the kernel's that passed in all windows.
    pub periods: u64,
    /// Periods that ended in waiting for the next one.
    pub throttled: u64,
}

impl Share {
    /// The numbers, if there are any.
    pub fn measured(&self) -> Option<&Yield> {
        self.outcome.measured()
    }
}

/// Measures all cases; `progress` is told which.
///
/// # Errors
/// If a counter cannot be read that was there before.
pub fn measure(
    ground: &Ground,
    windows: usize,
    mut progress: impl FnMut(&str),
) -> Result<Vec<Share>> {
    let share = |case: &Case| {
        progress(&format!("{}: {windows} windows of {} s", case.0, WINDOW.as_secs()));
        let name = peers::group_name();
        let options = ["-i", "--cpus", case.1, "--name", &name];
        let words = peers::run_minidock(2, &options, ground, &[workload::PROGRAM, "spin", case.3]);
        let shown: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear();
        let outcome = match Spinning::start(&mut command, &name)? {
            Ok(spinning) => Outcome::Measured(spinning.watch(windows)?),
            Err(said) => Outcome::NotMeasured { not_measured: portable(&said, ground) },
        };
        Ok(row(case, portable(&shown.join(" "), ground), outcome))
    };
    CASES.iter().map(share).collect()
}

/// The same rows, none of them measured.
pub fn left_out(reason: &str) -> Vec<Share> {
    let outcome = Outcome::NotMeasured { not_measured: reason.to_owned() };
    CASES.iter().map(|case| row(case, "peers/work.c".into(), outcome.clone())).collect()
}

fn row(case: &Case, command: String, outcome: Outcome<Yield>) -> Share {
    Share { name: case.0.into(), command, limit: case.2, unit: UNIT.into(), outcome }
}

/// A container with processes that never rest. It ends when its standard input does.
struct Spinning {
    child: Child,
    directories: Vec<PathBuf>,
}

impl Spinning {
    /// Starts it and waits until it has begun; what it said, if it has not.
    fn start(command: &mut Command, name: &str) -> Result<Result<Spinning, String>> {
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = pipes.spawn().context("start a container")?;
        let mut spinning = Spinning { child, directories: Vec::new() };
        let output = spinning.child.stdout.take().context("its output is a pipe")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line != "begun\n" {
            let mut said = String::new();
            let errors = spinning.child.stderr.take().context("its errors are a pipe")?;
            BufReader::new(errors).read_to_string(&mut said)?;
            return Ok(Err(said.trim().to_owned()));
        }
        spinning.directories = testkit::cgroup::named(name);
        Ok(Ok(spinning))
    }

    fn watch(mut self, windows: usize) -> Result<Yield> {
        sleep(WARM_UP);
        let first = Counters::read(&self.directories)?;
        let mut shares = Vec::new();
        for _ in 0..windows {
            let (begin, before) = (Instant::now(), Counters::read(&self.directories)?);
            sleep(WINDOW);
            let (passed, after) = (begin.elapsed(), Counters::read(&self.directories)?);
            shares.push((after.used - before.used).as_nanos() * 1000 / passed.as_nanos());
        }
        let last = Counters::read(&self.directories)?;
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        ensure!(status.success(), "a container that never rests: {status}");
        shares.sort_unstable();
        let at = |index: usize| shares[index] as u64;
        Ok(Yield {
            count: windows,
            median: at((windows - 1) / 2),
            min: at(0),
            max: at(windows - 1),
            periods: last.periods - first.periods,
            throttled: last.throttled - first.throttled,
        })
    }
}

impl Drop for Spinning {
    fn drop(&mut self) {
        // After an error, too, nothing of it stays. It may have ended and been waited for already.
        drop(self.child.stdin.take());
        let _status = self.child.wait();
    }
}

/// What a group has used and how often it had to wait.
#[derive(Debug, PartialEq)]
struct Counters {
    used: Duration,
    periods: u64,
    throttled: u64,
}

impl Counters {
    /// From the group's directories, one in each hierarchy: version 1 has `cpuacct.usage`
    /// (nanoseconds), version 2 `usage_usec` in cpu.stat; cpu.stat of the controller counts periods.
    fn read(directories: &[PathBuf]) -> Result<Counters> {
        let read = |directory: &Path, file| fs::read_to_string(directory.join(file)).ok();
        let files = |file| directories.iter().find_map(move |directory| read(directory, file));
        let stats: Vec<String> = directories.iter().filter_map(|d| read(d, "cpu.stat")).collect();
        let field = |name| stats.iter().find_map(|stat| field(stat, name));
        let nanos = files("cpuacct.usage").and_then(|text| text.trim().parse().ok());
        let used = match nanos {
            Some(nanos) => Some(Duration::from_nanos(nanos)),
            None => field("usage_usec").map(Duration::from_micros),
        };
        let counters = || {
            let (periods, throttled) = (field("nr_periods")?, field("nr_throttled")?);
            Some(Counters { used: used?, periods, throttled })
        };
        counters().with_context(|| format!("no counters of processor time in {directories:?}"))
    }
}

/// `NAME NUMBER`, a line.
fn field(stat: &str, name: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_of_either_version_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        let write = |place: &Path, file: &str, text: &str| {
            fs::create_dir_all(place).unwrap();
            fs::write(place.join(file), text).unwrap();
        };
        // A hybrid: the directory of version 2 counts no periods.
        write(&one, "cpu.stat", "usage_usec 77\nuser_usec 5\n");
        write(&two, "cpu.stat", "nr_periods 30\nnr_throttled 20\nthrottled_time 9\n");
        let both = [one, two.clone()];
        let counters =
            |micros| Counters { used: Duration::from_micros(micros), periods: 30, throttled: 20 };
        assert_eq!(Counters::read(&both).unwrap(), counters(77));
        write(&two, "cpuacct.usage", "78000\n");
        assert_eq!(Counters::read(&both).unwrap(), counters(78));
        let error = Counters::read(&both[..1]).unwrap_err().to_string();
        assert!(error.contains("no counters") && error.contains("one"), "{error}");
    }

    #[test]
    fn a_container_that_was_refused_is_a_reason() {
        let mut refused = Command::new("/bin/sh");
        refused.args(["-c", "echo no such controller >&2; exit 125"]);
        let said = Spinning::start(&mut refused, "none").unwrap().err();
        assert_eq!(said, Some("no such controller".into()));
    }
}
