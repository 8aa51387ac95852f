//! One run of QEMU: its end is waited for, but not for ever, and it does not outlive us.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// QEMU while it runs; killed when dropped.
pub struct Qemu {
    child: Child,
}

impl Qemu {
    /// Starts it with these descriptors besides the standard ones. The kernel kills it if the thread
    /// that started it ends before.
    ///
    /// # Errors
    /// If it cannot be executed.
    pub fn start(command: &mut Command, inherited: &[BorrowedFd]) -> Result<Qemu> {
        command.stdin(Stdio::null());
        let inherited: Vec<RawFd> = inherited.iter().map(AsRawFd::as_raw_fd).collect();
        let prepare = move || {
            kernel::process::die_with_parent().map_err(|error| error.errno)?;
            for &descriptor in &inherited {
                // SAFETY: the caller's descriptor, of which the child has a copy, open until exec.
                let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
                fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
            }
            Ok(())
        };
        // SAFETY: between fork and exec only system calls are allowed; prctl(2) and fcntl(2) are.
        unsafe { command.pre_exec(prepare) };
        let child = command.spawn().with_context(|| command.get_program().display().to_string())?;
        Ok(Qemu { child })
    }

    /// The process, for its streams.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for the end; none if `enough` says so before.
    ///
    /// # Errors
    /// If waiting fails.
    pub fn wait_unless(&mut self, enough: impl Fn() -> bool) -> Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = self.child.try_wait().context("wait for QEMU")? {
                return Ok(Some(status));
            }
            if enough() {
                return Ok(None);
            }
            sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // Both fail where it has ended already, and that is what is wanted.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A file that has no name and vanishes with its last user, whatever ends us (memfd_create(2)).
///
/// # Errors
/// If there is not enough memory.
pub fn memory_file(name: &CStr, content: &[u8]) -> Result<File> {
    let file = memfd_create(name, MFdFlags::MFD_CLOEXEC).context("memfd_create")?;
    let mut file = File::from(file);
    file.write_all(content).with_context(|| name.to_string_lossy().into_owned())?;
    Ok(file)
}

/// The name under which QEMU finds a descriptor that it was started with.
pub fn inherited_path(file: impl AsFd) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()).into()
}

/// The last lines of a console's file, for a message.
pub fn last_lines(console: &File) -> String {
    let mut bytes = Vec::new();
    // Where it cannot be read, there is nothing to show; the message that it belongs to counts.
    let _shown =
        fs::File::open(inherited_path(console)).and_then(|mut f| f.read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes).replace('\r', "");
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(12)..];
    if last.is_empty() { "(nothing)".into() } else { last.join("\n") }
}
