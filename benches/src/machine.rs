//! Which machine a number comes from, and whether it had something else to do (proc_stat(5)).

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::time::Duration;

/// Above this share of busy processors, times mean little.
const IDLE_BELOW: f64 = 0.10;

/// The machine, for the report.
///
/// # Errors
/// If /proc does not tell.
pub fn describe() -> Result<Value> {
    let cpus = fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
    let model = cpus.lines().find(|line| line.starts_with("model name"));
    // Arm's kernel gives no name there.
    let model =
        model.and_then(|line| line.split_once(": ")).map_or(std::env::consts::ARCH, |m| m.1);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("osrelease")?;
    let date = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().context("date")?;
    Ok(json!({
        "cpu": model,
        "cores": std::thread::available_parallelism()?.get(),
        "kernel": kernel.trim(),
        "date": String::from_utf8_lossy(&date.stdout).trim(),
    }))
}

/// How busy the machine was before we began.
pub struct Load {
    /// The share of all processors' time that was not idle, in one second.
    pub busy: f64,
    /// The first of the load averages.
    pub average: f64,
}

impl Load {
    /// Looks for one second.
    ///
    /// # Errors
    /// If /proc does not tell.
    pub fn measure() -> Result<Load> {
        let stat = || fs::read_to_string("/proc/stat").context("/proc/stat");
        let before = stat()?;
        std::thread::sleep(Duration::from_secs(1));
        let busy = busy_share(&before, &stat()?).context("/proc/stat")?;
        let average = fs::read_to_string("/proc/loadavg").context("/proc/loadavg")?;
        let average = average.split(' ').next().unwrap_or_default().parse()?;
        Ok(Load { busy, average })
    }

    /// What the reader has to know before believing a number.
    pub fn warning(&self) -> Option<String> {
        (self.busy > IDLE_BELOW).then(|| {
            format!(
                "the machine was not idle: {:.0} % of its processors were busy, load average {}; \
                 stop what runs and measure again",
                self.busy * 100.0,
                self.average
            )
        })
    }
}

/// From the first lines of two /proc/stat: `cpu  user nice system idle iowait irq softirq steal …`.
fn busy_share(before: &str, after: &str) -> Option<f64> {
    let times = |stat: &str| -> Option<(u64, u64)> {
        let fields: Vec<u64> =
            stat.lines().next()?.split_whitespace().skip(1).take(8).flat_map(str::parse).collect();
        Some((fields.iter().sum(), fields.get(3)? + fields.get(4)?))
    };
    let ((all, idle), (all_after, idle_after)) = (times(before)?, times(after)?);
    let all = all_after.checked_sub(all).filter(|all| *all > 0)?;
    Some(1.0 - idle_after.saturating_sub(idle) as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busy_share_is_what_was_not_idle() {
        let before = "cpu  100 0 50 1000 10 0 0 0 0 0\ncpu0 1";
        let after = "cpu  130 0 60 1150 20 0 0 0 9 9\ncpu0 1";
        assert!((busy_share(before, after).unwrap() - 0.2).abs() < 1e-9);
        assert_eq!(busy_share(before, before), None);
    }

    #[test]
    fn a_busy_machine_is_warned_of() {
        assert!(Load { busy: 0.3, average: 1.5 }.warning().unwrap().contains("30 %"));
        assert!(Load { busy: 0.05, average: 1.5 }.warning().is_none());
    }
}
