//! The machines that QEMU can be, and who executes the guest's instructions. A microvm
//! (<https://www.qemu.org/docs/master/system/i386/microvm.html>) has no PCI, no ACPI by default and a firmware of a few
//! kilobytes; a q35 is a whole PC of 2009.

use std::env::consts::ARCH;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;
use console::failure::Failure;
use serde::{Deserialize, Serialize};

/// QEMU for this architecture.
pub const QEMU: &str =
    if cfg!(target_arch = "aarch64") { "qemu-system-aarch64" } else { "qemu-system-x86_64" };

/// What QEMU pretends to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Machine {
    /// The smallest; x86-64 only.
    Microvm,
    /// A PC with PCI Express; x86-64 only.
    Q35,
    /// The generic machine of aarch64.
    Virt,
}

impl Machine {
    /// Those of this architecture, the smallest first.
    pub const ALL: &[Machine] = if cfg!(target_arch = "aarch64") {
        &[Machine::Virt]
    } else {
        &[Machine::Microvm, Machine::Q35]
    };

    /// QEMU's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Machine::Microvm => "microvm",
            Machine::Q35 => "q35",
            Machine::Virt => "virt",
        }
    }

    /// The name of a virtio device here: a microvm has no PCI bus to put it on.
    pub fn device(self, name: &str) -> String {
        format!("{name}-{}", if self == Machine::Microvm { "device" } else { "pci" })
    }

    /// The kernel's name for the serial line.
    pub fn console(self) -> &'static str {
        if self == Machine::Virt { "ttyAMA0" } else { "ttyS0" }
    }
}

/// Who executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// The processor.
    Kvm,
    /// QEMU, which translates them: many times slower.
    Tcg,
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg => "tcg",
        })
    }
}

/// One virtual machine that is about to be started.
#[derive(Clone, Debug)]
pub struct Guest<'a> {
    /// What it is.
    pub machine: Machine,
    /// Who executes it.
    pub accelerator: Accelerator,
    /// How much memory it has, in MiB.
    pub memory: u32,
    /// How many processors.
    pub processors: u32,
    /// The kernel's image.
    pub kernel: &'a Path,
    /// The archive with the first root.
    pub initramfs: &'a Path,
    /// What the kernel is told besides the console.
    pub append: &'a str,
}

impl Guest<'_> {
    /// QEMU's command line. Nothing is in this machine that is not named here, and it ends where a
    /// real one would restart.
    pub fn command(&self) -> Result<Command> {
        let cpu = match self.accelerator {
            Accelerator::Kvm => "host",
            Accelerator::Tcg => "max",
        };
        let mut qemu = Command::new(find()?);
        qemu.args(["-M", self.machine.name(), "-accel", &self.accelerator.to_string()]);
        qemu.args(["-cpu", cpu, "-m", &self.memory.to_string()]);
        qemu.args(["-smp", &self.processors.to_string()]);
        qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
        qemu.arg("-kernel").arg(self.kernel).arg("-initrd").arg(self.initramfs);
        let console = self.machine.console();
        // A panic restarts the machine at once, which ends QEMU; on x86 by a triple fault, the only
        // way that a microvm has.
        let reset = if ARCH == "x86_64" { " reboot=t" } else { "" };
        let clock = self.clock();
        let append = format!("console={console} panic=-1{reset}{clock} {}", self.append);
        qemu.arg("-append").arg(append);
        Ok(qemu)
    }
}

impl Guest<'_> {
    /// What the kernel is told of its clock: under KVM it asks KVM.
    #[cfg(target_arch = "x86_64")]
    fn clock(&self) -> String {
        match self.accelerator {
            Accelerator::Kvm => String::new(),
            // Reliable: what it would be checked against is the timer chip again.
            Accelerator::Tcg => format!(" tsc_early_khz={} tsc=reliable", *crate::tsc::KHZ),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn clock(&self) -> &'static str {
        ""
    }
}

/// Where QEMU is.
///
/// # Errors
/// If it is not installed.
pub fn find() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|place| place.join(QEMU)).find(|qemu| qemu.is_file());
    let package = if ARCH == "aarch64" { "qemu-system-arm" } else { "qemu-system-x86" };
    found.with_context(|| {
        Failure::new(format!("{QEMU} is not installed"))
            .remedy(format!("apt install {package} (Debian, Ubuntu), dnf install {QEMU} (Fedora)"))
    })
}
