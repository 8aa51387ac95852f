//! One process, as the line that the kernel writes about it says (proc_pid_stat(5)).

use kernel::Pid;
use std::fs;
use std::time::Duration;

/// Ticks a second in that line: USER_HZ, whatever the kernel's own clock does.
const TICKS: u64 = 100;

/// What is used here of the line.
#[derive(Debug, Clone, PartialEq)]
pub struct Stat {
    /// Its number.
    pub pid: Pid,
    /// `Z` for one that has ended and that nobody has collected.
    pub state: char,
    /// Its parent.
    pub parent: Pid,
    /// The device number of its terminal; 0 for none.
    pub terminal: u64,
    /// Processor time that it has used.
    pub used: Duration,
    /// When it started, after the machine did.
    pub started: Duration,
}

impl Stat {
    /// Reads it; none if the process is gone.
    pub fn of(pid: Pid) -> Option<Stat> {
        Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(line: &str) -> Option<Stat> {
        // The second field, a name in parentheses, may hold anything: counting starts after it.
        let (pid, _) = line.split_once(' ')?;
        let (_, rest) = line.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let time = |ticks: u64| Duration::from_millis(ticks * 1000 / TICKS);
        Some(Stat {
            pid: Pid::from_raw(pid.parse().ok()?),
            state: fields.first()?.chars().next()?,
            parent: Pid::from_raw(number(4)? as i32),
            terminal: number(7)?,
            used: time(number(14)? + number(15)?),
            started: time(number(22)?),
        })
    }

    /// How long ago it started.
    pub fn age(&self) -> Duration {
        up_time().saturating_sub(self.started)
    }
}

/// How long the machine has been running.
fn up_time() -> Duration {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split(' ').next().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_the_fields_that_follow_it() {
        let line = "7 (a) R 1 (b) Z 3 7 7 34816 7 4194304 1 2 3 4 150 50 0 0 20 0 1 0 12345 9 9\n";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.pid.as_raw(), stat.state, stat.parent.as_raw()), (7, 'Z', 3));
        assert_eq!((stat.terminal, stat.used), (34816, Duration::from_secs(2)));
        assert_eq!(stat.started, Duration::from_millis(123_450));
    }

    #[test]
    fn we_have_started() {
        let stat = Stat::of(Pid::this()).unwrap();
        assert_eq!(stat.parent, Pid::parent());
        assert!(stat.age() < up_time());
    }
}
