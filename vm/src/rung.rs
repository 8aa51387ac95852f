//! The virtual machine's rung of the start-up ladder: from the exec of QEMU to /probe's first byte, and to QEMU's end;
//! below it the barest machine that KVM can make. What cannot be measured here is a row that says why.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::accelerator::{Choice, choose};
use crate::boot::Minimal;
use crate::linux::Linux;
use crate::machine::{Accelerator, Guest, Machine};

/// A start that takes longer is no start.
const LIMIT: Duration = Duration::from_secs(60);
/// How long the barest machines may take together: where KVM itself is emulated, it may never come back.
const BAREST_LIMIT: Duration = Duration::from_secs(20);

/// One row of the ladder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What is measured.
    pub name: String,
    /// The command, or the calls.
    pub command: String,
    /// `kvm`, or `tcg`: then every instruction is translated, and the time compares with nothing that
    /// ran on the processor.
    pub accelerator: String,
    /// The guest's kernel.
    pub kernel: Option<String>,
    /// The unit of all times.
    pub unit: &'static str,
    /// The times, or why there are none.
    #[serde(flatten)]
    pub result: Outcome,
}

/// What came of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// Times in microseconds.
    Measured {
        /// How many starts.
        samples: usize,
        /// Half of them took less.
        median: u64,
        /// Nineteen of twenty took no more: the nearest rank.
        p95: u64,
        /// The shortest.
        min: u64,
    },
    /// No number, and why.
    NotMeasured {
        /// The reason.
        not_measured: String,
    },
}

/// Measures all of it; `progress` is told what comes next.
pub fn measure(quick: bool, mut progress: impl FnMut(&str)) -> Vec<Row> {
    let mut rows = Vec::new();
    let linux = Linux::find();
    for &machine in Machine::ALL {
        match &linux {
            Ok(linux) => rows.extend(minimal(linux, machine, quick, &mut progress)),
            Err(error) => {
                rows.extend(absent(machine, Accelerator::Kvm, None, &format!("{error:#}")))
            }
        }
    }
    progress("the barest machine of KVM");
    rows.push(barest(if quick { 20 } else { 200 }));
    rows
}

/// The rows of one machine: with KVM, or with the reason why not and then by translation.
fn minimal(
    linux: &Linux,
    machine: Machine,
    quick: bool,
    progress: &mut impl FnMut(&str),
) -> Vec<Row> {
    progress(&format!("{}: whether KVM boots a guest", machine.name()));
    let Choice { accelerator, reason } = match choose(linux, machine) {
        Ok(choice) => choice,
        Err(error) => {
            return absent(machine, Accelerator::Kvm, Some(linux), &format!("{error:#}"));
        }
    };
    let mut rows = Vec::new();
    if let Some(reason) = reason {
        rows.extend(absent(machine, Accelerator::Kvm, Some(linux), &reason));
    }
    let measured = boots(linux, machine, accelerator, if quick { 3 } else { 20 }, progress);
    rows.extend(
        measured.unwrap_or_else(|error| {
            absent(machine, accelerator, Some(linux), &format!("{error:#}"))
        }),
    );
    rows
}

fn boots(
    linux: &Linux,
    machine: Machine,
    accelerator: Accelerator,
    samples: usize,
    progress: &mut impl FnMut(&str),
) -> Result<Vec<Row>> {
    let files = Minimal::new()?;
    let guest = files.guest(linux, machine, accelerator);
    let command = shown(&guest)?;
    // The first start reads QEMU and the kernel from the disk.
    files.boot(&guest, LIMIT)?;
    let (mut first_bytes, mut exits) = (Vec::new(), Vec::new());
    for sample in 1..=samples {
        progress(&format!("{} {accelerator}: start {sample} of {samples}", machine.name()));
        let boot = files.boot(&guest, LIMIT)?;
        first_bytes.push(boot.first_byte);
        exits.push(boot.exit);
    }
    let rows = names(machine).into_iter().zip([first_bytes, exits]).map(|(name, times)| Row {
        name,
        command: command.clone(),
        accelerator: accelerator.to_string(),
        kernel: Some(linux.version.clone()),
        unit: "us",
        result: Outcome::of(times),
    });
    Ok(rows.collect())
}

fn absent(
    machine: Machine,
    accelerator: Accelerator,
    linux: Option<&Linux>,
    reason: &str,
) -> Vec<Row> {
    let row = |name| Row {
        name,
        command: format!("{} -M {}", crate::machine::QEMU, machine.name()),
        accelerator: accelerator.to_string(),
        kernel: linux.map(|linux| linux.version.clone()),
        unit: "us",
        result: Outcome::NotMeasured { not_measured: reason.to_owned() },
    };
    names(machine).into_iter().map(row).collect()
}

fn names(machine: Machine) -> [String; 2] {
    ["first byte", "exit"].map(|end| format!("qemu {}, kernel and /probe: {end}", machine.name()))
}

/// The command as one would type it: the archive has no name, the kernel's directory says nothing.
fn shown(guest: &Guest) -> Result<String> {
    let command = guest.command()?;
    let kernel = guest.kernel.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names = [(guest.initramfs, "initramfs"), (guest.kernel, &kernel)];
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(|word| {
        let name = names.iter().find(|(path, _)| path.as_os_str() == word);
        let word = name.map_or(word.to_string_lossy(), |(_, name)| (*name).into());
        if word.contains(' ') { format!("'{word}'") } else { word.into_owned() }
    });
    Ok(words.collect::<Vec<String>>().join(" "))
}

#[cfg(target_arch = "x86_64")]
fn barest_times(samples: usize) -> Result<Vec<Duration>> {
    (0..samples).map(|_| crate::kvm::barest()).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn barest_times(_samples: usize) -> Result<Vec<Duration>> {
    anyhow::bail!("written for x86-64 only")
}

fn barest(samples: usize) -> Row {
    let (sender, receiver) = channel();
    // A thread that never returns is left behind; nothing else would be bounded.
    thread::spawn(move || {
        // Nobody listens any more after the limit.
        let _late = sender.send(barest_times(samples));
    });
    let times = receiver
        .recv_timeout(BAREST_LIMIT)
        .with_context(|| format!("KVM did not come back in {} s", BAREST_LIMIT.as_secs()))
        .and_then(|times| times);
    Row {
        name: "kvm, one instruction: create, HLT, tear down".into(),
        command: "KVM_CREATE_VM, KVM_SET_USER_MEMORY_REGION, KVM_CREATE_VCPU, KVM_RUN, close"
            .into(),
        accelerator: Accelerator::Kvm.to_string(),
        kernel: None,
        unit: "us",
        result: times.map_or_else(
            |error| Outcome::NotMeasured { not_measured: format!("{error:#}") },
            Outcome::of,
        ),
    }
}

impl Outcome {
    fn of(mut times: Vec<Duration>) -> Outcome {
        times.sort_unstable();
        let samples = times.len();
        let at =
            |percent: usize| times[(samples * percent).div_ceil(100).max(1) - 1].as_micros() as u64;
        Outcome::Measured { samples, median: at(50), p95: at(95), min: at(0) }
    }
}
