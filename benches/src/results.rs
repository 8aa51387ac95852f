//! All that is known of one measurement, as one JSON object: the machine, the versions, every rung
//! with its command, and what could not be measured and why.

use crate::bars::Verdict;
use crate::machine::{Load, Machine};
use crate::participant::{Until, Usage};
use crate::resident::Memory;
use crate::rounds::Times;
use crate::shares::Share;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use vm::machine::Accelerator;

/// Raised when a field changes its meaning or goes.
pub const SCHEMA: u32 = 2;
/// The unit of all times.
pub const UNIT: &str = "us";

/// One measurement of one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What the machine is called: the name of its file.
    pub name: String,
    /// When it began: UTC, ISO 8601.
    pub date: String,
    /// The machine.
    pub machine: Machine,
    /// What it had to do besides.
    pub load: Load,
    /// What the reader has to know before believing a number.
    pub warning: Option<String>,
    /// Of each program that takes part.
    pub versions: BTreeMap<String, String>,
    /// How often each process was started, interleaved.
    pub rounds: usize,
    /// The rungs, work under limits, first writes, and a container's life.
    pub rows: Vec<Row>,
    /// What limits of processor time yield.
    pub shares: Vec<Share>,
    /// What shims keep in memory; results of before that was measured have none.
    #[serde(default)]
    pub memory: Vec<Memory>,
    /// What the chapters promise, and whether it was kept here.
    pub bars: Vec<Verdict>,
}

/// One rung, or a piece of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// What the time is the time of.
    pub measures: String,
    /// The exact command, or the calls.
    pub command: String,
    /// What ends the time.
    pub until: Until,
    /// Who executed a guest's instructions.
    pub accelerator: Option<Accelerator>,
    /// A guest's kernel.
    pub guest_kernel: Option<String>,
    /// The row that this one is set in relation to, if that says anything.
    pub compared_with: Option<String>,
    /// [`UNIT`].
    pub unit: String,
    /// The times, or why there are none.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What the process used; nothing without a C compiler.
    pub usage: Option<Usage>,
}

/// What a rung is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A process of the host.
    Host,
    /// A process in a new namespace, which is no container yet.
    Namespace,
    /// A container.
    Container,
    /// A virtual machine.
    VirtualMachine,
    /// Work of a fixed size, on the host or in a container: its start is not in the time.
    Workload,
    /// A first write to a file, of the host or of a container's lower layer.
    Write,
    /// A step of a container's life, with so many containers beside it.
    Life,
}

/// What came of a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Outcome<Numbers = Times> {
    /// Numbers.
    Measured(Numbers),
    /// No number, and why.
    NotMeasured {
        /// The reason.
        not_measured: String,
    },
}

impl<Numbers> Outcome<Numbers> {
    /// The numbers, if there are any.
    pub fn measured(&self) -> Option<&Numbers> {
        match self {
            Outcome::Measured(numbers) => Some(numbers),
            Outcome::NotMeasured { .. } => None,
        }
    }
}

impl Row {
    /// A row that is compared with nothing.
    pub fn new(
        name: impl Into<String>,
        kind: Kind,
        measures: impl Into<String>,
        command: String,
        until: Until,
        outcome: Outcome,
    ) -> Row {
        Row {
            name: name.into(),
            kind,
            measures: measures.into(),
            command,
            until,
            accelerator: None,
            guest_kernel: None,
            compared_with: None,
            unit: UNIT.into(),
            outcome,
            usage: None,
        }
    }

    /// The numbers, if there are any.
    pub fn times(&self) -> Option<&Times> {
        self.outcome.measured()
    }

    /// Whether every instruction of a guest was translated: then its time compares with nothing
    /// that ran on the processor.
    pub fn is_emulated(&self) -> bool {
        self.accelerator == Some(Accelerator::Tcg)
    }
}

/// One time divided by another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Of the medians.
    pub medians: f64,
    /// Of the minima.
    pub minima: f64,
}

impl Ratio {
    /// How many times as long `row` took as `unit`.
    pub fn of(row: &Times, unit: &Times) -> Ratio {
        let ratio = |of: u64, to: u64| of as f64 / to.max(1) as f64;
        Ratio { medians: ratio(row.median, unit.median), minima: ratio(row.min, unit.min) }
    }
}

impl Results {
    /// The row of that name.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// What was started: the rungs of the ladder.
    pub fn starts(&self) -> impl Iterator<Item = &Row> {
        let other = |kind| matches!(kind, Kind::Workload | Kind::Write | Kind::Life);
        self.rows.iter().filter(move |row| !other(row.kind))
    }

    /// Work on the host and in containers.
    pub fn works(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.kind == Kind::Workload)
    }

    /// First writes.
    pub fn writes(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.kind == Kind::Write)
    }

    /// Steps of a container's life.
    pub fn lives(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.kind == Kind::Life)
    }

    /// A row in relation to the one that it is compared with. An emulated machine is in relation to
    /// nothing.
    pub fn ratio(&self, row: &Row) -> Option<Ratio> {
        if row.is_emulated() {
            return None;
        }
        let unit = self.row(row.compared_with.as_ref()?)?.times()?;
        Some(Ratio::of(row.times()?, unit))
    }

    /// Replaces the file at once: a reader finds the old results or the new ones.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(self)? + "\n";
        replace(file, &json)
    }

    /// Reads what [`Results::write`] has written.
    ///
    /// # Errors
    /// If the file is of another schema, or no such object.
    pub fn read(file: &Path) -> Result<Results> {
        let read = || {
            let text = fs::read_to_string(file)?;
            let value: serde_json::Value = serde_json::from_str(&text)?;
            ensure!(value["schema"] == SCHEMA, "schema {}, not {SCHEMA}", value["schema"]);
            Ok(serde_json::from_value(value)?)
        };
        read().with_context(|| file.display().to_string())
    }
}

/// Writes a file under another name first.
///
/// # Errors
/// If it cannot be written.
pub fn replace(file: &Path, text: &str) -> Result<()> {
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    fs::write(&new, text).with_context(|| new.display().to_string())?;
    fs::rename(&new, file).with_context(|| file.display().to_string())
}

/// Where results that are to be kept lie, of this machine and of others.
pub fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results")
}

/// All results in a directory, by name; none if there is no such directory.
///
/// # Errors
/// If a file is no result.
pub fn read_all(directory: &Path) -> Result<Vec<Results>> {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(Vec::new()) };
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files.iter().map(|file| Results::read(file)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::sample;

    #[test]
    fn results_come_back_as_they_were_written() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a-machine.json");
        let mut results = sample(Accelerator::Tcg);
        results.rows[0].usage = Some(Usage { peak_kib: 1, faults: 2 });
        results.write(&file).unwrap();
        assert_eq!(Results::read(&file).unwrap(), results);
        fs::write(directory.path().join("notes.txt"), "no result").unwrap();
        assert_eq!(read_all(directory.path()).unwrap(), [results]);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("\"schema\": 2", "\"schema\": 0")).unwrap();
        let error = format!("{:#}", read_all(directory.path()).unwrap_err());
        assert!(error.contains("a-machine.json: schema 0, not 2"), "{error}");
    }

    #[test]
    fn a_row_tells_its_numbers_or_the_reason_beside_its_other_fields() {
        let json = serde_json::to_value(sample(Accelerator::Kvm)).unwrap();
        let [_, ours, _, runc, guest, ..] = json["rows"].as_array().unwrap().as_slice() else {
            panic!("{json}")
        };
        assert_eq!((&ours["median"], &ours["count"]), (&3000.into(), &9.into()));
        assert_eq!(runc["not_measured"], "runc is <not> installed");
        assert_eq!(runc.get("median"), None);
        assert_eq!(json["shares"][0]["max"], 510);
        assert_eq!(json["shares"][1]["not_measured"], "no <controller>");
        let memory = &json["memory"];
        assert_eq!((&memory[0]["resident"], &memory[0]["unit"]), (&1900.into(), &"KiB".into()));
        assert_eq!(memory[1]["not_measured"], "no <pages>");
        assert_eq!((&guest["accelerator"], &guest["unit"]), (&"kvm".into(), &"us".into()));
    }

    #[test]
    fn an_emulated_machine_is_in_relation_to_nothing() {
        let ratio = |accelerator| {
            let results = sample(accelerator);
            results.ratio(results.row("qemu microvm").unwrap())
        };
        assert_eq!(ratio(Accelerator::Kvm), Some(Ratio { medians: 40.0, minima: 60.0 }));
        assert_eq!(ratio(Accelerator::Tcg), None);
    }

    #[test]
    fn the_results_that_are_kept_can_be_read() {
        for results in read_all(&kept()).unwrap() {
            assert!(results.warning.is_none(), "{}: not of an idle machine", results.name);
        }
    }
}
