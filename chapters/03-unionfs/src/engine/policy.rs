//! `--restart`: whether a container that has ended is started again, and after how long.

use console::failure::Failure;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Before the first restart. Each later one waits twice as long, up to [`LONGEST`], as in Docker.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);
/// A container that ran that long starts with the first pause again.
const STEADY: Duration = Duration::from_secs(10);

/// When a container is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Policy {
    /// Never.
    #[default]
    No,
    /// When it failed, so many times; 0 is without end.
    OnFailure(u32),
    /// Whenever it has ended, unless somebody stopped it.
    Always,
    /// The same; and once it was stopped, it stays so when the machine starts again.
    UnlessStopped,
}

impl FromStr for Policy {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Policy, Failure> {
        let (name, count) = match text.split_once(':') {
            Some((name, count)) => (name, Some(count)),
            None => (text, None),
        };
        let refused = |why: String, remedy: &str| Err(Failure::new(why).remedy(remedy));
        let policy = match name {
            "" | "no" => Policy::No,
            "on-failure" => Policy::OnFailure(0),
            "always" => Policy::Always,
            "unless-stopped" => Policy::UnlessStopped,
            _ => {
                let why = format!("invalid restart policy: unknown policy '{name}'");
                return refused(why, "one of no, on-failure[:N], always, unless-stopped");
            }
        };
        match (policy, count) {
            (policy, None) => Ok(policy),
            (Policy::OnFailure(_), Some(count)) => match count.parse() {
                Ok(count) => Ok(Policy::OnFailure(count)),
                Err(_) => {
                    let why = format!("invalid restart policy: {count:?} is no number of times");
                    refused(why, "write on-failure:3")
                }
            },
            (_, Some(_)) => {
                let why = "invalid restart policy: maximum retry count can only be used with \
                           'on-failure'";
                refused(why.into(), "leave out the number")
            }
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::No => f.write_str("no"),
            Policy::OnFailure(0) => f.write_str("on-failure"),
            Policy::OnFailure(count) => write!(f, "on-failure:{count}"),
            Policy::Always => f.write_str("always"),
            Policy::UnlessStopped => f.write_str("unless-stopped"),
        }
    }
}

impl From<Policy> for String {
    fn from(policy: Policy) -> String {
        policy.to_string()
    }
}

impl TryFrom<String> for Policy {
    type Error = Failure;

    fn try_from(text: String) -> Result<Policy, Failure> {
        text.parse()
    }
}

impl Policy {
    /// Its name and number, as `inspect` has them apart.
    pub fn parts(self) -> (&'static str, u32) {
        match self {
            Policy::No => ("no", 0),
            Policy::OnFailure(count) => ("on-failure", count),
            Policy::Always => ("always", 0),
            Policy::UnlessStopped => ("unless-stopped", 0),
        }
    }
}

/// What has come of policies so far: `update` may replace one by another.
#[derive(Debug)]
pub struct Restarts {
    /// How often it was started again.
    pub count: u32,
    pause: Duration,
}

impl Default for Restarts {
    fn default() -> Restarts {
        Restarts { count: 0, pause: FIRST }
    }
}

impl Restarts {
    /// How long to wait before the next one; none if there is to be none.
    pub fn next(&mut self, policy: Policy, code: u8, ran_for: Duration) -> Option<Duration> {
        let again = match policy {
            Policy::No => false,
            Policy::OnFailure(most) => code != 0 && (most == 0 || self.count < most),
            Policy::Always | Policy::UnlessStopped => true,
        };
        if ran_for > STEADY {
            self.pause = FIRST;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST);
        self.count += u32::from(again);
        again.then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_written_as_it_is_read() {
        for text in ["no", "on-failure", "on-failure:3", "always", "unless-stopped"] {
            assert_eq!(text.parse::<Policy>().unwrap().to_string(), text);
        }
        for wrong in ["never", "always:3", "on-failure:x", "on-failure:-1"] {
            assert!(wrong.parse::<Policy>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_pause_is_twice_the_one_before_until_it_runs_steadily() {
        let mut restarts = Restarts::default();
        let mut next = |ran_for| restarts.next(Policy::Always, 0, ran_for);
        let short = Duration::from_secs(1);
        let pauses: Vec<u128> = (0..12).map(|_| next(short).unwrap().as_millis()).collect();
        assert_eq!(pauses[..4], [100, 200, 400, 800]);
        assert_eq!(pauses[11], 60_000);
        assert_eq!(next(STEADY * 2), Some(FIRST));
    }

    #[test]
    fn a_failure_is_tried_again_as_often_as_was_asked_for() {
        let mut restarts = Restarts::default();
        let mut next = |policy, code| restarts.next(policy, code, FIRST);
        let twice = Policy::OnFailure(2);
        assert_eq!(next(twice, 0), None);
        assert!(next(twice, 1).is_some() && next(twice, 1).is_some());
        assert_eq!(next(twice, 1), None);
        // It may be another one by now.
        assert_eq!(next(Policy::No, 1), None);
        assert!(next(Policy::OnFailure(3), 1).is_some());
    }
}
