//! What the host asks of the guest's init: a file in the initramfs, and the names both sides use.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the guest finds its job.
pub const JOB: &str = "/job.json";
/// Where the guest's init is: the kernel's default, and how `main` knows that it is one.
pub const INIT: &str = "/init";
/// Where the chapters' programs and the programs looked up by name are put.
pub const PATH: &str = "/usr/local/bin:/bin";

/// The channels from the guest, each a port of a virtio serial device (virtio specification, 5.3).
/// Unlike a serial line they change no byte, and have no speed.
pub const STDOUT: &str = "stdout";
/// As [`STDOUT`].
pub const STDERR: &str = "stderr";
/// One [`Report`] at the end.
pub const REPORT: &str = "report";

/// What is to run, and what it needs.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    /// Kernel modules, each after those that it needs.
    pub modules: Vec<PathBuf>,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Its environment, all of it.
    pub environment: Vec<(String, String)>,
    /// Its working directory.
    pub directory: PathBuf,
}

/// How it ended.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Report {
    /// The command's exit code; 128 and the signal's number if one ended it.
    Exit(u8),
    /// There is no such command, or it cannot be executed: Docker's code for it, and why.
    NotRun(u8, String),
    /// The guest could not be made ready.
    Failed(String),
}
