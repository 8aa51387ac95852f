//! The other side: the init of the guest (Documentation/filesystems/ramfs-rootfs-initramfs.rst). It makes the
//! machine ready, runs one command, reports how that ended, and ends the machine.

mod command;
mod mounts;
mod ports;

use std::convert::Infallible;
use std::fs::{self, File};

use anyhow::{Context, Result};
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::sys::reboot::{RebootMode, reboot};

use crate::job::{JOB, Job, Report};
use ports::Ports;

/// Where the archive has the modules.
pub const MODULES: &str = "/lib/modules";

/// All that this init does. It does not return: the kernel panics when its init ends.
///
/// # Errors
/// If the machine cannot be ended.
pub fn run() -> Result<Infallible> {
    let (ports, report) = match prepare() {
        Ok((job, mut ports)) => {
            let report = command::run(&job, &mut ports);
            (Some(ports), report)
        }
        Err(error) => (None, Err(error)),
    };
    let report = report.unwrap_or_else(|error| Report::Failed(format!("{error:#}")));
    // Without a port there is still the console, which the host shows when no report comes.
    let sent = ports.context("no port").and_then(|mut ports| ports.report(&report));
    if let Err(error) = sent {
        eprintln!("vm: {report:?}; not reported: {error:#}");
    }
    // QEMU was told to end where a machine would restart. Of the two ways to end it only this one
    // needs no power management, which a microvm lacks.
    reboot(RebootMode::RB_AUTOBOOT).context("reboot")
}

fn prepare() -> Result<(Job, Ports)> {
    mounts::leave_first_root()?;
    mounts::mount_all()?;
    let job = fs::read(JOB).with_context(|| format!("read {JOB}"))?;
    let job: Job = serde_json::from_slice(&job).with_context(|| format!("read {JOB}"))?;
    fs::remove_file(JOB)?;
    for path in &job.modules {
        let module = File::open(path).with_context(|| format!("open {}", path.display()))?;
        // A module that finds nothing to do here (ENODEV) is nothing to fail for; one that is
        // needed and missing shows where it is needed.
        if let Err(error) = finit_module(module, c"", ModuleInitFlags::empty()) {
            eprintln!("vm: {}: {error}", path.display());
        }
    }
    if !job.modules.is_empty() {
        // They take memory twice while their files stay.
        fs::remove_dir_all(MODULES).with_context(|| format!("remove {MODULES}"))?;
    }
    kernel::network::loopback_up().context("bring lo up")?;
    kernel::namespace::set_hostname("vm").context("set the host name")?;
    Ok((job, Ports::open()?))
}
