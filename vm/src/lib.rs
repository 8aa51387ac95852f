//! Virtual machines: a command in one, and the least that one can be; `benches` measures their start.
//!
//! The kernel is a distribution's or the reader's own, the machine QEMU's. Nothing is installed, no module is
//! loaded on this machine, and nothing needs root.

pub mod accelerator;
pub mod boot;
pub mod cpio;
pub mod exec;
pub mod guest;
pub mod job;
#[cfg(target_arch = "x86_64")]
pub mod kvm;
pub mod linux;
pub mod machine;
pub mod modules;
pub mod qemu;
pub mod root;
#[cfg(target_arch = "x86_64")]
mod tsc;
