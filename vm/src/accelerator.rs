//! Whether KVM boots a guest here. That /dev/kvm can be opened says little: where this machine is a virtual one
//! itself, KVM may be there, run a few instructions and never get through a kernel. So it is tried.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::boot::Minimal;
use crate::linux::{self, Linux};
use crate::machine::{Accelerator, Machine, QEMU};

/// A guest that needs longer under KVM is not worth it.
const LIMIT: Duration = Duration::from_secs(8);

/// The accelerator to use, and why it is not KVM.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The fastest that works.
    pub accelerator: Accelerator,
    /// Why KVM does not.
    pub reason: Option<String>,
}

/// Tries KVM once; what came out is remembered until this machine is started anew.
///
/// # Errors
/// If QEMU is missing.
pub fn choose(linux: &Linux, machine: Machine) -> Result<Choice> {
    let qemu = crate::machine::find()?;
    if let Err(error) = OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        return Ok(without(format!("/dev/kvm: {error}")));
    }
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let key = format!("{} {} {machine:?} {}", boot_id.trim(), linux.version, qemu.display());
    let memory = linux::directory()?.join("accelerator");
    if let Some(choice) = remembered(&memory, &key) {
        return Ok(choice);
    }
    let minimal = Minimal::new()?;
    let tried = minimal.boot(&minimal.guest(linux, machine, Accelerator::Kvm), LIMIT);
    let choice = match tried {
        Ok(_) => Choice { accelerator: Accelerator::Kvm, reason: None },
        Err(error) => without(format!("tried {QEMU} -accel kvm: {error:#}").replace('\n', " ")),
    };
    let line = format!("{key}\t{}\n", choice.reason.as_deref().unwrap_or(""));
    // Appended in one write: several processes may find out at the same time.
    let file = OpenOptions::new().create(true).append(true).open(&memory);
    file.and_then(|mut file| std::io::Write::write_all(&mut file, line.as_bytes()))
        .with_context(|| memory.display().to_string())?;
    Ok(choice)
}

fn without(reason: String) -> Choice {
    Choice { accelerator: Accelerator::Tcg, reason: Some(reason) }
}

fn remembered(memory: &Path, key: &str) -> Option<Choice> {
    let text = fs::read_to_string(memory).ok()?;
    let reason = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('\t'))?;
    Some(match reason {
        "" => Choice { accelerator: Accelerator::Kvm, reason: None },
        reason => without(reason.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_out_is_remembered_for_its_key() {
        let directory = tempfile::tempdir().unwrap();
        let memory = directory.path().join("m");
        fs::write(&memory, "boot 6.1 Q35\ttried: no\nboot 6.2 Q35\t\n").unwrap();
        assert_eq!(remembered(&memory, "boot 6.1 Q35"), Some(without("tried: no".into())));
        assert_eq!(remembered(&memory, "boot 6.2 Q35").unwrap().accelerator, Accelerator::Kvm);
        assert_eq!(remembered(&memory, "boot 6"), None);
    }
}
