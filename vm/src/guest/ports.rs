//! The channels to the host: ports of a virtio serial device, found by their names in sysfs once its driver has
//! met it (drivers/char/virtio_console.c).

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::job::{REPORT, Report, STDERR, STDOUT};

/// The driver meets its device in the background, and slowly where a processor is emulated.
const PATIENCE: Duration = Duration::from_secs(20);

/// All of them, each opened once: the kernel lets nobody open one a second time.
pub(super) struct Ports {
    pub(super) stdout: File,
    pub(super) stderr: File,
    report: File,
}

impl Ports {
    pub(super) fn open() -> Result<Ports> {
        Ok(Ports { stdout: open(STDOUT)?, stderr: open(STDERR)?, report: open(REPORT)? })
    }

    pub(super) fn report(&mut self, report: &Report) -> Result<()> {
        // A port waits until the host has taken what is written: nothing is left to flush.
        let mut line = serde_json::to_vec(report)?;
        line.push(b'\n');
        self.report.write_all(&line).context("write the report")
    }
}

fn open(name: &str) -> Result<File> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(device) = find(Path::new("/sys/class/virtio-ports"), name) {
            let file = OpenOptions::new().write(true).open(&device);
            return file.with_context(|| format!("open {}", device.display()));
        }
        if Instant::now() > deadline {
            return Err(anyhow::anyhow!(
                "no port {name}: the kernel has no virtio_console, or its modules were not found"
            ));
        }
        sleep(Duration::from_millis(2));
    }
}

fn find(class: &Path, name: &str) -> Option<PathBuf> {
    fs::read_dir(class).ok()?.flatten().find_map(|port| {
        let told = fs::read_to_string(port.path().join("name")).ok()?;
        (told.trim() == name).then(|| Path::new("/dev").join(port.file_name()))
    })
}
