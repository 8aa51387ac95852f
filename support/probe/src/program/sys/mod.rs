//! System calls without a C library (syscall(2)): a number and up to six arguments in registers.
//!
//! One file each for the two architectures; above them, one function a call, with Rust's types.

#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
mod architecture;
mod errno;
mod file;
mod identity;
mod ipc;
mod isolation;
mod process;
mod signal;

use architecture::{number, trap};

pub(crate) use errno::{Errno, Result};
pub(crate) use file::*;
pub(crate) use identity::*;
pub(crate) use ipc::*;
pub(crate) use isolation::*;
pub(crate) use process::*;
pub(crate) use signal::*;

/// Makes a system call. The kernel returns -1 to -4095 for an error, on every architecture.
///
/// # Safety
///
/// The arguments must be what the call's man page asks for: above all, an address must be valid
/// for what the kernel reads or writes there.
unsafe fn call<const N: usize>(number: usize, arguments: [usize; N]) -> Result<usize> {
    let mut registers = [0; 6];
    registers[..N].copy_from_slice(&arguments);
    // SAFETY: as for this function.
    let result = unsafe { trap(number, registers) };
    if (-4095..0).contains(&result) { Err(Errno(-result as i32)) } else { Ok(result as usize) }
}
