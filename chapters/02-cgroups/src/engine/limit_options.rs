//! The limits of a container that `run` sets and `update` changes: options become [`Limits`] before
//! anything is done.

use crate::engine::cpuset::{self, Kind};
use crate::engine::units::{integer, nano_cpus, size_of};
use crate::limits::{Limits, Most};
use anyhow::Result;
use console::failure::Failure;

/// Docker's least memory: below, not even the start of a program fits.
const LEAST_MEMORY: u64 = 6 << 20;

/// What the kernel takes as shares.
const SHARES: std::ops::RangeInclusive<i64> = 2..=262_144;

/// What the kernel takes as a limit of processes: as many as it can number (PID_MAX_LIMIT).
const MOST_PIDS: i64 = 4_194_304;

/// A hundredth of a processor: a millisecond of each period is the least that the kernel takes.
const LEAST_NANO_CPUS: u64 = 10_000_000;

/// Options of `run` and of `update`. As in Docker, 0 is as good as nothing.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitOptions {
    /// Most memory, as 64m or 1.5g; who needs more is killed
    #[arg(short, long, value_name = "BYTES", allow_hyphen_values = true)]
    memory: Option<String>,
    /// Most memory and swap together; -1 for all the swap there is [default: twice the memory]
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    memory_swap: Option<String>,
    /// Memory that is left to it when others need some
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    memory_reservation: Option<String>,
    /// Most processor time, as 0.5 for half a processor
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    cpus: Option<String>,
    /// Share of the processors while they are short; others have 1024
    #[arg(short, long, value_name = "SHARES", allow_hyphen_values = true)]
    cpu_shares: Option<String>,
    /// Processors that it may run on, as 0-2,5
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    cpuset_cpus: Option<String>,
    /// NUMA nodes that its memory may come from
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    cpuset_mems: Option<String>,
    /// Most processes and threads; -1 for no limit
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pids_limit: Option<String>,
}

impl LimitOptions {
    /// The limits, as far as they can be checked without knowing what is in force.
    pub fn resolve(&self) -> Result<Limits> {
        let limits = Limits {
            memory: bytes("-m, --memory", &self.memory)?,
            memory_and_swap: self.memory_and_swap()?,
            memory_reservation: bytes("--memory-reservation", &self.memory_reservation)?,
            nano_cpus: self.nano_cpus()?,
            cpu_shares: self.cpu_shares()?,
            cpuset_cpus: list(Kind::Cpus, &self.cpuset_cpus)?,
            cpuset_mems: list(Kind::Mems, &self.cpuset_mems)?,
            pids: self.pids()?,
            devices: Vec::new(),
        };
        check_memory(&limits)?;
        Ok(limits)
    }

    fn memory_and_swap(&self) -> Result<Option<Most>> {
        if self.memory_swap.as_deref() == Some("-1") {
            return Ok(Some(Most::Unlimited));
        }
        Ok(bytes("--memory-swap", &self.memory_swap)?.map(Most::Is))
    }

    fn nano_cpus(&self) -> Result<Option<u64>> {
        let Some(text) = &self.cpus else { return Ok(None) };
        let nano = nano_cpus("--cpus", text)?;
        if nano == 0 {
            return Ok(None);
        }
        let all = cpuset::cpus()?;
        if (LEAST_NANO_CPUS..=all.saturating_mul(1_000_000_000)).contains(&nano) {
            return Ok(Some(nano));
        }
        let message = format!(
            "Range of CPUs is from 0.01 to {all}.00, as there are only {all} CPUs available"
        );
        Err(Failure::new(message).remedy("name a number in this range").into())
    }

    fn cpu_shares(&self) -> Result<Option<u64>> {
        let Some(text) = &self.cpu_shares else { return Ok(None) };
        let (shares, least, most) =
            (integer("-c, --cpu-shares", text)?, SHARES.start(), SHARES.end());
        let message = match shares {
            0 => return Ok(None),
            _ if SHARES.contains(&shares) => return Ok(Some(shares.unsigned_abs())),
            ..=1 => format!("The minimum allowed cpu-shares is {least}"),
            _ => format!("The maximum allowed cpu-shares is {most}"),
        };
        let remedy = format!("name a number from {least} to {most}, beside the 1024 of others");
        Err(Failure::new(message).remedy(remedy).into())
    }

    fn pids(&self) -> Result<Option<Most>> {
        let Some(text) = &self.pids_limit else { return Ok(None) };
        match integer("--pids-limit", text)? {
            0 | -1 => Ok(Some(Most::Unlimited)),
            number @ 1..=MOST_PIDS => Ok(Some(Most::Is(number.unsigned_abs()))),
            number => {
                let failure = Failure::new(format!("a limit of {number} processes"));
                let remedy = format!("name a number from 1 to {MOST_PIDS}, or -1 for no limit");
                Err(failure.remedy(remedy).into())
            }
        }
    }
}

/// Memory and swap without memory, which would limit nothing before it limited all.
pub(crate) fn swap_without_memory() -> anyhow::Error {
    let message = "You should always set the Memory limit when using Memoryswap limit, see usage";
    Failure::new(message).remedy("give -m, too").into()
}

/// How the limits of memory go together.
pub(crate) fn check_memory(limits: &Limits) -> Result<()> {
    let (memory, reservation) = (limits.memory, limits.memory_reservation);
    let refused = |message: &str, remedy: &str| Err(Failure::new(message).remedy(remedy).into());
    if memory.is_some_and(|memory| memory < LEAST_MEMORY) {
        return refused("Minimum memory limit allowed is 6MB", "name at least 6m");
    }
    if let (Some(memory), Some(Most::Is(both))) = (memory, limits.memory_and_swap)
        && both < memory
    {
        return refused(
            "Minimum memoryswap limit should be larger than memory limit, see usage",
            "--memory-swap is memory and swap together: name as much as -m for no swap, or -1",
        );
    }
    if reservation.is_some_and(|reservation| reservation < LEAST_MEMORY) {
        return refused("Minimum memory reservation allowed is 6MB", "name at least 6m");
    }
    if memory.zip(reservation).is_some_and(|(memory, reservation)| memory < reservation) {
        return refused(
            "Minimum memory limit can not be less than memory reservation limit, see usage",
            "reserve at most as much as -m allows",
        );
    }
    Ok(())
}

fn bytes(option: &str, text: &Option<String>) -> Result<Option<u64>> {
    let bytes = text.as_deref().map(|text| size_of(option, text)).transpose()?;
    Ok(bytes.filter(|bytes| *bytes != 0))
}

fn list(kind: Kind, text: &Option<String>) -> Result<Option<String>> {
    let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
    cpuset::check(kind, text)?;
    Ok(Some(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        limits: LimitOptions,
    }

    fn resolve(words: &str) -> Result<Limits> {
        let words = std::iter::once("test").chain(words.split_whitespace());
        CommandLine::try_parse_from(words).unwrap().limits.resolve()
    }

    fn refusal(words: &str) -> String {
        let error = resolve(words).unwrap_err();
        assert!(error.downcast_ref::<Failure>().unwrap().remedy.is_some(), "{words}");
        error.to_string()
    }

    #[test]
    fn options_become_values() {
        let limits = resolve(
            "-m 64m --memory-swap 1g --memory-reservation 32M --cpus .5 -c 512 --cpuset-cpus 0 \
             --cpuset-mems 0 --pids-limit 20",
        );
        let expected = Limits {
            memory: Some(64 << 20),
            memory_and_swap: Some(Most::Is(1 << 30)),
            memory_reservation: Some(32 << 20),
            nano_cpus: Some(500_000_000),
            cpu_shares: Some(512),
            cpuset_cpus: Some("0".into()),
            cpuset_mems: Some("0".into()),
            pids: Some(Most::Is(20)),
            devices: Vec::new(),
        };
        assert_eq!(limits.unwrap(), expected);
    }

    #[test]
    fn nothing_and_zero_limit_nothing_and_minus_one_lifts() {
        assert_eq!(resolve("").unwrap(), Limits::default());
        let zero = "-m 0 --memory-swap 0 --memory-reservation 0 --cpus 0.0 -c 0";
        assert_eq!(resolve(zero).unwrap(), Limits::default());
        assert_eq!(resolve("--pids-limit 0").unwrap().pids, Some(Most::Unlimited));
        assert_eq!(resolve("--pids-limit -1").unwrap().pids, Some(Most::Unlimited));
        let all = resolve("-m 6m --memory-swap -1").unwrap().memory_and_swap;
        assert_eq!(all, Some(Most::Unlimited));
    }

    #[test]
    fn what_docker_refuses_is_refused_in_its_words() {
        for (words, expected) in [
            ("-m 6291455", "Minimum memory limit allowed is 6MB"),
            ("-m 64x", r#"invalid argument "64x" for "-m, --memory" flag: invalid suffix: 'x'"#),
            ("-m -1", "invalid size: '-1'"),
            ("-m 8m --memory-swap 7m", "Minimum memoryswap limit should be larger than memory"),
            ("--memory-swap -2", "invalid size: '-2'"),
            ("--memory-reservation 1m", "Minimum memory reservation allowed is 6MB"),
            ("-m 8m --memory-reservation 9m", "can not be less than memory reservation limit"),
            ("--cpus 0.009", "Range of CPUs is from 0.01 to "),
            ("--cpus 99999", "Range of CPUs is from 0.01 to "),
            ("--cpus -1", "failed to parse -1 as a rational number"),
            ("-c 1", "The minimum allowed cpu-shares is 2"),
            ("-c -5", "The minimum allowed cpu-shares is 2"),
            ("-c 262145", "The maximum allowed cpu-shares is 262144"),
            ("--cpuset-cpus 1-0", "Invalid value 1-0 for cpuset cpus"),
            ("--cpuset-cpus 9999", "Requested CPUs are not available - requested 9999"),
            ("--cpuset-mems 9999", "Requested memory nodes are not available"),
            ("--pids-limit many", "invalid syntax"),
            ("--pids-limit -2", "a limit of -2 processes"),
            ("--pids-limit 4194305", "a limit of 4194305 processes"),
            ("-m -5m", "invalid size: '-5m'"),
            ("--cpuset-cpus -x", "-x"),
        ] {
            let refusal = refusal(words);
            assert!(refusal.contains(expected), "{words}: {refusal}");
        }
    }
}
