//! The smallest guest: a kernel and /probe as its init, which says one line and ends the machine. What it takes is the
//! start of a virtual machine and nothing else.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::cpio::Archive;
use crate::linux::Linux;
use crate::machine::{Accelerator, Guest, Machine};
use crate::qemu::{Qemu, inherited_path, memory_file};

/// What /probe says as soon as it is there.
const MARK: &[u8] = b"probe: init";
/// Silence, so that the first bytes are the probe's; and its command.
const APPEND: &str = "quiet loglevel=0 rdinit=/probe -- halt";

/// The guest's first root as a file.
pub struct Minimal {
    initramfs: File,
    path: PathBuf,
}

/// How long one start took, from the exec of QEMU.
#[derive(Clone, Copy, Debug)]
pub struct Boot {
    /// Until the probe's first byte was read.
    pub first_byte: Duration,
    /// Until QEMU had ended.
    pub exit: Duration,
}

impl Minimal {
    /// Makes the archive.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new() -> Result<Minimal> {
        let mut archive = Archive::default();
        archive.file("/probe".as_ref(), 0o755, probe::PROGRAM.to_vec());
        let initramfs = memory_file(c"initramfs", &archive.bytes()?)?;
        Ok(Minimal { path: inherited_path(&initramfs), initramfs })
    }

    /// The machine that [`Minimal::boot`] starts.
    pub fn guest<'a>(
        &'a self,
        linux: &'a Linux,
        machine: Machine,
        accelerator: Accelerator,
    ) -> Guest<'a> {
        let (kernel, initramfs) = (&linux.image, &self.path);
        Guest {
            machine,
            accelerator,
            memory: 256,
            processors: 1,
            kernel,
            initramfs,
            append: APPEND,
        }
    }

    /// Starts it once.
    ///
    /// # Errors
    /// If it does not reach user space and its end within `limit`.
    pub fn boot(&self, guest: &Guest, limit: Duration) -> Result<Boot> {
        let mut command = guest.command()?;
        command.args(["-serial", "stdio"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let begin = Instant::now();
        let mut qemu = Qemu::start(&mut command, &[self.initramfs.as_fd()])?;
        let mut output = qemu.child().stdout.take().context("QEMU's output")?;
        let (mut said, mut first_byte) = (Vec::new(), None);
        let mut buffer = [0; 4096];
        loop {
            let left = limit.saturating_sub(begin.elapsed());
            let mut ready = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
            if poll(&mut ready, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))? == 0 {
                let where_to = if first_byte.is_none() { "user space" } else { "its end" };
                bail!("a guest did not reach {where_to} in {} s", limit.as_secs());
            }
            let count = output.read(&mut buffer).context("read QEMU's output")?;
            if count == 0 {
                break;
            }
            said.extend_from_slice(&buffer[..count]);
            if first_byte.is_none() && said.windows(MARK.len()).any(|window| window == MARK) {
                first_byte = Some(begin.elapsed());
            }
        }
        // Its output is closed: it is about to end.
        let status = qemu.child().wait().context("wait for QEMU")?;
        let exit = begin.elapsed();
        let mut errors = String::new();
        if let Some(mut stderr) = qemu.child().stderr.take() {
            stderr.read_to_string(&mut errors).context("read QEMU's errors")?;
        }
        ensure!(status.success(), "QEMU ended with {status}: {}", errors.trim());
        let first_byte = first_byte.with_context(|| {
            format!("the guest ended without a word of /probe: {}", String::from_utf8_lossy(&said))
        })?;
        Ok(Boot { first_byte, exit })
    }
}
