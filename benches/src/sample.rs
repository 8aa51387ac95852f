//! Results for the unit tests: small, and with a letter that HTML has to escape.

use crate::ladder::{FIRST_BYTE, OURS};
use crate::machine::{Load, Machine};
use crate::participant::Until;
use crate::resident::{Memory, Resident};
use crate::results::{Kind, Outcome, Results, Row, SCHEMA};
use crate::rounds::Times;
use crate::shares::{HALF, Share, UNIT, Yield};
use std::collections::BTreeMap;
use vm::machine::Accelerator;

/// A row that was measured: a median and a minimum.
pub(crate) fn measured(name: &str, kind: Kind, median: u64, min: u64) -> Row {
    let times = Times { count: 9, median, p95: median * 2, min };
    let command = format!("/bin/{name} a");
    let outcome = Outcome::Measured(times);
    let row = Row::new(name, kind, "what it is", command, Until::Exit, outcome);
    Row { compared_with: Some(OURS.into()), ..row }
}

/// A limit that was measured and one that was not.
fn shares() -> Vec<Share> {
    let shared = Yield { count: 5, median: 502, min: 495, max: 510, periods: 100, throttled: 98 };
    let absent = Outcome::NotMeasured { not_measured: "no <controller>".into() };
    let share = |name: &str, outcome| Share {
        name: name.into(),
        command: format!("spin {name} <forever>"),
        limit: 500,
        unit: UNIT.into(),
        outcome,
    };
    vec![share(HALF, Outcome::Measured(shared)), share("--cpus 0.2", absent)]
}

fn work(name: &str, median: u64) -> Row {
    let compared_with = Some("forks: no limit".into());
    Row { until: Until::Told, compared_with, ..measured(name, Kind::Workload, median, median) }
}

fn write(name: &str, median: u64) -> Row {
    let compared_with = Some("plain file".into());
    Row { until: Until::Told, compared_with, ..measured(name, Kind::Write, median, median) }
}

fn step(name: &str, median: u64) -> Row {
    let compared_with = Some("ps, one".into());
    Row { compared_with, ..measured(name, Kind::Life, median, median) }
}

/// The memory of a shim that was measured and of one that was not.
fn memory() -> Vec<Memory> {
    let resident = Resident { count: 3, resident: 1900, proportional: 1200, anonymous: 400 };
    let absent = Outcome::NotMeasured { not_measured: "no <pages>".into() };
    let memory = |name, outcome| Memory::new(name, format!("start {name} <ever>"), outcome);
    vec![memory("three", Outcome::Measured(resident)), memory("none", absent)]
}

/// A machine with a container, a peer that is absent, a virtual machine, what limits did, first writes,
/// and a container's life.
pub(crate) fn sample(accelerator: Accelerator) -> Results {
    let absent = Outcome::NotMeasured { not_measured: "runc is <not> installed".into() };
    let container = measured(OURS, Kind::Container, 3000, 2000);
    let first_byte =
        Row { until: Until::FirstByte, ..measured(FIRST_BYTE, Kind::Container, 2500, 1500) };
    let runc = Row { outcome: absent, ..measured("runc", Kind::Container, 1, 1) };
    let guest = Row {
        accelerator: Some(accelerator),
        guest_kernel: Some("6.1.0".into()),
        compared_with: Some(FIRST_BYTE.into()),
        until: Until::FirstByte,
        ..measured("qemu microvm", Kind::VirtualMachine, 100_000, 90_000)
    };
    Results {
        schema: SCHEMA,
        name: "a-machine".into(),
        date: "2026-01-02T03:04:05Z".into(),
        machine: Machine {
            cpu: "A <CPU>".into(),
            cores: 2,
            architecture: "x86_64".into(),
            is_virtual: Some(true),
            kernel: "6.18.0".into(),
            distribution: "Linux".into(),
            cgroups: "v2".into(),
            inside: None,
        },
        load: Load { busy_before: 0.01, busy_after: Some(0.02), average: 0.1 },
        warning: None,
        versions: BTreeMap::from([("rustc".into(), "rustc 1.88".into())]),
        rounds: 9,
        rows: vec![
            measured("true", Kind::Host, 600, 500),
            container,
            first_byte,
            runc,
            guest,
            work("forks: host", 10_000),
            work("forks: no limit", 11_000),
            work("forks: limits", 12_100),
            write("plain file", 2500),
            write("lower layer", 3500),
            step("ps, one", 6000),
            step("ps, many", 9000),
        ],
        shares: shares(),
        memory: memory(),
        bars: vec![],
    }
}
