//! The virtual machine's rung of the start-up ladder: from the exec of QEMU to /probe's first byte, and to QEMU's end;
//! below it the barest machine that KVM can make. What cannot be measured here is a row that says why.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use vm::accelerator::{Choice, choose};
use vm::boot::Minimal;
use vm::linux::Linux;
use vm::machine::{Accelerator, Guest, Machine};

use crate::ladder::{EXIT, FIRST_BYTE};
use crate::participant::Until;
use crate::results::{Kind, Outcome, Row};
use crate::rounds::Times;

/// A start that takes longer is no start.
const LIMIT: Duration = Duration::from_secs(60);
/// How long the barest machines may take together: where KVM itself is emulated, it may never come back.
const BAREST_LIMIT: Duration = Duration::from_secs(20);

/// The same rows, none of them measured.
pub fn left_out(reason: &str) -> Vec<Row> {
    let machines = Machine::ALL.iter();
    let mut rows: Vec<Row> =
        machines.flat_map(|&machine| absent(machine, Accelerator::Kvm, None, reason)).collect();
    rows.push(barest(Err(anyhow::anyhow!("{reason}"))));
    rows
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
    rows.push(barest(barest_in_time(if quick { 20 } else { 200 })));
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
    let measured = boots(linux, machine, accelerator, if quick { 2 } else { 20 }, progress);
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
    let ends = ENDS.into_iter().zip([first_bytes, exits]);
    let row = |(end, times)| {
        let outcome = Outcome::Measured(Times::of(times));
        row(machine, end, accelerator, Some(linux), command.clone(), outcome)
    };
    Ok(ends.map(row).collect())
}

fn absent(
    machine: Machine,
    accelerator: Accelerator,
    linux: Option<&Linux>,
    reason: &str,
) -> Vec<Row> {
    let command = format!("{} -M {}", vm::machine::QEMU, machine.name());
    let row = |end| {
        let outcome = Outcome::NotMeasured { not_measured: reason.to_owned() };
        row(machine, end, accelerator, linux, command.clone(), outcome)
    };
    ENDS.map(row).into()
}

/// What ends a time, and the container's row to the same moment.
type End = (Until, &'static str, &'static str);
const ENDS: [End; 2] = [(Until::FirstByte, "first byte", FIRST_BYTE), (Until::Exit, "exit", EXIT)];

fn row(
    machine: Machine,
    (until, end, container): End,
    accelerator: Accelerator,
    linux: Option<&Linux>,
    command: String,
    outcome: Outcome,
) -> Row {
    let name = format!("qemu {} /probe: {end}", machine.name());
    let measures = match until == Until::FirstByte {
        true => "until the word of its first process arrives on a pipe",
        false => "the same, from exec to exit of QEMU",
    };
    Row {
        accelerator: Some(accelerator),
        guest_kernel: linux.map(|linux| linux.version.clone()),
        compared_with: (accelerator == Accelerator::Kvm).then(|| container.into()),
        ..Row::new(name, Kind::VirtualMachine, measures, command, until, outcome)
    }
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
    (0..samples).map(|_| vm::kvm::barest()).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn barest_times(_samples: usize) -> Result<Vec<Duration>> {
    anyhow::bail!("written for x86-64 only")
}

fn barest_in_time(samples: usize) -> Result<Vec<Duration>> {
    let (sender, receiver) = channel();
    // A thread that never returns is left behind; nothing else would be bounded.
    thread::spawn(move || {
        // Nobody listens any more after the limit.
        let _late = sender.send(barest_times(samples));
    });
    receiver
        .recv_timeout(BAREST_LIMIT)
        .with_context(|| format!("KVM did not come back in {} s", BAREST_LIMIT.as_secs()))
        .and_then(|times| times)
}

fn barest(times: Result<Vec<Duration>>) -> Row {
    let outcome = match times {
        Ok(times) => Outcome::Measured(Times::of(times)),
        Err(error) => Outcome::NotMeasured { not_measured: format!("{error:#}") },
    };
    let command = "KVM_CREATE_VM, KVM_SET_USER_MEMORY_REGION, KVM_CREATE_VCPU, KVM_RUN, close";
    let (name, measures) =
        ("kvm, one instruction", "create, HLT, tear down: no virtual machine can take less");
    let row = Row::new(name, Kind::VirtualMachine, measures, command.into(), Until::Exit, outcome);
    // No container does as little: it is compared with nothing.
    Row { accelerator: Some(Accelerator::Kvm), ..row }
}
