//! Interleaved rounds: every participant once a round, each round in another order. The machine's
//! drift, and what one run leaves to be cleaned up for the next, hit all alike; so ratios can be
//! trusted where times cannot.

use crate::participant::Participant;
use anyhow::Result;
use std::time::Duration;

/// Each participant's times, in the order of `participants`.
///
/// # Errors
/// If a run fails.
pub fn run(participants: &mut [Participant], rounds: usize) -> Result<Vec<Times>> {
    let mut order: Vec<usize> = (0..participants.len()).collect();
    let mut times = vec![Vec::with_capacity(rounds); participants.len()];
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for _ in 0..rounds {
        chance.shuffle(&mut order);
        for &index in &order {
            times[index].push(participants[index].time()?);
        }
    }
    Ok(times.into_iter().map(Times::of).collect())
}

/// What is told of many runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Half of them took less.
    pub median: Duration,
    /// Nineteen of twenty took no more.
    pub p95: Duration,
    /// The one that nothing disturbed.
    pub minimum: Duration,
    /// How many.
    pub count: usize,
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Times {
        times.sort_unstable();
        let count = times.len();
        // The nearest rank: a time that was really measured.
        let at = |percent: usize| times[(count * percent).div_ceil(100) - 1];
        Times { median: at(50), p95: at(95), minimum: times[0], count }
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
        let told = (times.median, times.p95, times.minimum, times.count);
        assert_eq!(told, (millis(50), millis(95), millis(1), 100));
        assert_eq!(Times::of(vec![millis(7)]).p95, millis(7));
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
