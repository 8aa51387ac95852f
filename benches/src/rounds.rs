//! Interleaved rounds: every participant once a round, each round in another order. The machine's
//! drift, and what one run leaves to be cleaned up for the next, hit all alike; so ratios can be
//! trusted where times cannot.

use crate::participant::Participant;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Who rests before each run takes part in every so many rounds only: the rests take longer than all
/// the runs together.
const RARELY: usize = 4;

/// How often somebody runs in so many rounds.
pub fn runs(rounds: usize, rests: bool) -> usize {
    if rests { rounds.div_ceil(RARELY) } else { rounds }
}

/// Each participant's times, in the order of `participants`; `progress` is told each tenth.
///
/// # Errors
/// If a run fails.
pub fn run(
    participants: &mut [Participant],
    rounds: usize,
    progress: impl FnMut(&str),
) -> Result<Vec<Times>> {
    let mut times = vec![Vec::with_capacity(rounds); participants.len()];
    interleave(participants.len(), rounds, progress, |round, index| {
        if !participants[index].rests() || round.is_multiple_of(RARELY) {
            times[index].push(participants[index].time()?);
        }
        Ok(())
    })?;
    Ok(times.into_iter().map(Times::of).collect())
}

/// The same for what is more than one run: `act` is told the round, and whose turn it is of so many.
///
/// # Errors
/// The first one of `act`.
pub fn interleave(
    count: usize,
    rounds: usize,
    mut progress: impl FnMut(&str),
    mut act: impl FnMut(usize, usize) -> Result<()>,
) -> Result<()> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for round in 0..rounds {
        if round.is_multiple_of(rounds.div_ceil(10)) {
            progress(&format!("round {} of {rounds}", round + 1));
        }
        chance.shuffle(&mut order);
        order.iter().try_for_each(|&index| act(round, index))?;
    }
    Ok(())
}

/// What is told of many runs: microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// How many runs.
    pub count: usize,
    /// Half of them took less.
    pub median: u64,
    /// Nineteen of twenty took no more.
    pub p95: u64,
    /// The one that nothing disturbed.
    pub min: u64,
}

impl Times {
    /// The ranks of at least one time.
    pub fn of(mut times: Vec<Duration>) -> Times {
        times.sort_unstable();
        let count = times.len();
        // The nearest rank: a time that was really measured.
        let at =
            |percent: usize| times[(count * percent).div_ceil(100).max(1) - 1].as_micros() as u64;
        Times { count, median: at(50), p95: at(95), min: at(0) }
    }
}

/// The same orders in every run of the benchmark (xorshift64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Fisher and Yates: every order is as likely.
    fn shuffle(&mut self, items: &mut [usize]) {
        for last in (1..items.len()).rev() {
            items.swap(last, (self.next() % (last as u64 + 1)) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_their_ranks() {
        let millis = |millis| Duration::from_millis(millis);
        let times = Times::of((1..=100).rev().map(millis).collect());
        assert_eq!(times, Times { count: 100, median: 50_000, p95: 95_000, min: 1000 });
        assert_eq!(Times::of(vec![millis(7)]).p95, 7000);
    }

    #[test]
    fn who_rests_takes_part_rarely_and_who_does_not_always() {
        let telling = |name| {
            let telling = Participant::new(name, ["/bin/sh", "-c", "echo 1"]).unwrap();
            telling.until(crate::participant::Until::Told)
        };
        let rested = telling("rested").after_idle(Duration::from_millis(1));
        let times = run(&mut [telling("always"), rested], 5, |_| {}).unwrap();
        assert_eq!((times[0].count, times[1].count), (5, 2));
        assert_eq!((runs(5, false), runs(5, true)), (5, 2));
    }

    #[test]
    fn orders_differ_and_lose_nobody() {
        let mut chance = Chance(1);
        let mut seen = std::collections::BTreeSet::new();
        let mut order = vec![0, 1, 2, 3];
        for _ in 0..500 {
            chance.shuffle(&mut order);
            seen.insert(order.clone());
        }
        assert_eq!(seen.len(), 24);
        assert!(seen.iter().all(|order| order.iter().sum::<usize>() == 6));
    }
}
