//! Which machine a number comes from, and whether it had something else to do (proc_stat(5)).

use anyhow::{Context, Result};
use console::failure::Failure;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Above this share of busy processors, times mean little.
const IDLE_BELOW: f64 = 0.10;

/// What a reader has to know of a machine to compare it with another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Processors that this program may use.
    pub cores: usize,
    /// As Rust calls it.
    pub architecture: String,
    /// Whether the machine is a virtual one itself; not every processor tells.
    pub is_virtual: Option<bool>,
    /// `uname -r`.
    pub kernel: String,
    /// As it calls itself.
    pub distribution: String,
    /// Which version of control groups is mounted: `v1`, `v2`, `hybrid`.
    pub cgroups: String,
    /// The container that all this is inside of.
    pub inside: Option<String>,
}

impl Machine {
    /// Looks at it, with the help of minidock's doctor.
    ///
    /// # Errors
    /// If /proc does not tell.
    pub fn look(minidock: &Path) -> Result<Machine> {
        let cpus = fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("osrelease")?;
        let doctor = Command::new(minidock).args(["doctor", "--json"]).output();
        let doctor = doctor.with_context(|| minidock.display().to_string())?;
        // Another program in minidock's place may have no doctor.
        let host = serde_json::from_slice::<Value>(&doctor.stdout).unwrap_or_default();
        let told = |field: &str| host["host"][field].as_str().map(str::to_owned);
        let unknown = || "unknown".to_owned();
        Ok(Machine {
            // Arm's kernel gives no name there.
            cpu: value(&cpus, "model name").unwrap_or(std::env::consts::ARCH).to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            architecture: std::env::consts::ARCH.to_owned(),
            is_virtual: is_virtual(&cpus),
            kernel: kernel.trim().to_owned(),
            distribution: told("distribution").unwrap_or_else(unknown),
            cgroups: told("cgroup").unwrap_or_else(unknown),
            inside: told("inside"),
        })
    }

    /// In a line.
    pub fn shown(&self) -> String {
        let kind = match self.is_virtual {
            Some(true) => ", itself a virtual machine",
            Some(false) => ", not virtual",
            None => "",
        };
        let inside = self.inside.iter().map(|inside| format!(", inside {inside}"));
        format!(
            "{}, {} cores, {}{kind}{}; {}, Linux {}, cgroups {}",
            self.cpu,
            self.cores,
            self.architecture,
            inside.collect::<String>(),
            self.distribution,
            self.kernel,
            self.cgroups
        )
    }
}

/// The time, in UTC.
///
/// # Errors
/// If there is no date(1).
pub fn date() -> Result<String> {
    let date = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().context("date")?;
    Ok(String::from_utf8_lossy(&date.stdout).trim().to_owned())
}

/// The first `name : value` of /proc/cpuinfo.
fn value<'a>(cpus: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = cpus.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(field, _)| field.trim() == name).map(|(_, value)| value.trim())
}

/// A hypervisor sets a bit that x86 processors leave clear.
fn is_virtual(cpus: &str) -> Option<bool> {
    let flags = value(cpus, "flags")?;
    Some(flags.split(' ').any(|flag| flag == "hypervisor"))
}

/// How busy the machine was besides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// The share of all processors' time that was not idle, in one second before we began.
    pub busy_before: f64,
    /// The same after the end.
    pub busy_after: Option<f64>,
    /// The first of the load averages, before.
    pub average: f64,
}

impl Load {
    /// Looks for one second.
    ///
    /// # Errors
    /// If /proc does not tell.
    pub fn measure() -> Result<Load> {
        let average = fs::read_to_string("/proc/loadavg").context("/proc/loadavg")?;
        let average = average.split(' ').next().unwrap_or_default().parse()?;
        Ok(Load { busy_before: busy()?, busy_after: None, average })
    }

    /// Looks again, when our own work is done.
    ///
    /// # Errors
    /// If /proc does not tell.
    pub fn measure_again(&mut self) -> Result<()> {
        // The kernel is still taking down the last network namespaces.
        std::thread::sleep(Duration::from_secs(1));
        self.busy_after = Some(busy()?);
        Ok(())
    }

    /// What the reader has to know before believing a number.
    pub fn warning(&self) -> Option<String> {
        let moments = [(Some(self.busy_before), "before"), (self.busy_after, "after")];
        let busy: Vec<String> = moments
            .iter()
            .filter_map(|(busy, when)| Some((busy.filter(|busy| *busy > IDLE_BELOW)?, when)))
            .map(|(busy, when)| format!("{:.0} % busy {when} the measurement", busy * 100.0))
            .collect();
        (!busy.is_empty()).then(|| {
            format!(
                "the machine was not idle: its processors were {} (load average {})",
                busy.join(", "),
                self.average
            )
        })
    }

    /// Refuses a busy machine, unless that is what somebody wants.
    ///
    /// # Errors
    /// If it was not idle.
    pub fn refuse(&self, busy_ok: bool) -> Result<()> {
        let Some(warning) = self.warning().filter(|_| !busy_ok) else { return Ok(()) };
        let remedy = "stop what runs (top shows it) and measure again; \
                      or add --busy-ok, and the results will say so";
        Err(Failure::new(warning).remedy(remedy).into())
    }
}

/// The share of the next second that is not idle.
fn busy() -> Result<f64> {
    let stat = || fs::read_to_string("/proc/stat").context("/proc/stat");
    let before = stat()?;
    std::thread::sleep(Duration::from_secs(1));
    busy_share(&before, &stat()?).context("/proc/stat")
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
    fn a_busy_machine_is_refused_unless_that_is_wanted() {
        let load = |before, after| Load { busy_before: before, busy_after: after, average: 1.5 };
        load(0.05, Some(0.05)).refuse(false).unwrap();
        let error = load(0.3, None).refuse(false).unwrap_err().to_string();
        assert!(error.contains("not idle") && error.contains("30 % busy before"), "{error}");
        load(0.3, None).refuse(true).unwrap();
        assert!(load(0.05, Some(0.2)).warning().unwrap().contains("20 % busy after"));
    }

    #[test]
    fn a_processor_tells_its_name_and_whether_it_is_virtual() {
        let cpus = "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu hypervisor sse\n";
        assert_eq!(value(cpus, "model name"), Some("A CPU"));
        assert_eq!(is_virtual(cpus), Some(true));
        assert_eq!(is_virtual(&cpus.replace("hypervisor ", "")), Some(false));
        assert_eq!(is_virtual("processor: 0\nFeatures: fp\n"), None);
    }
}
