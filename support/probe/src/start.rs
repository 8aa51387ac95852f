//! The root of the program, given to rustc by `build.rs`: where the kernel jumps to.
//!
//! At the first instruction the stack holds argc, then the pointers of argv (execve(2)); there is
//! no return address. What a C library's start-up code does, beyond this, the probe does not need.

#![no_std]
#![no_main]
// Without this the compiler turns the loop in `memcpy` into a call of `memcpy`.
#![no_builtins]

mod builtins;
mod program;

use core::arch::naked_asm;
use core::ffi::{CStr, c_char};

use program::{sys, text::complain};

#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    // Functions expect a stack aligned to 16 bytes; a zero frame pointer ends a back-trace.
    #[cfg(target_arch = "x86_64")]
    naked_asm!("xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {}", sym start);
    #[cfg(target_arch = "aarch64")]
    naked_asm!("mov x29, 0", "mov x30, 0", "mov x0, sp", "bl {}", sym start);
}

/// No command takes more than two operands: a third is collected only to be refused.
const MOST: usize = 4;

extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: the kernel put argc at the top of the stack.
    let count = unsafe { *stack };
    // SAFETY: argv follows it.
    let argv = unsafe { stack.add(1) }.cast::<*const c_char>();
    let mut arguments = [c""; MOST];
    let mut used = 0;
    for index in (1..count).take(MOST) {
        // SAFETY: `index` is below argc.
        let argument = unsafe { *argv.add(index) };
        // SAFETY: the kernel ended each string with a zero; they stay while the process lives.
        arguments[used] = unsafe { CStr::from_ptr(argument) };
        used += 1;
    }
    sys::exit(program::run(&arguments[..used]))
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    complain(format_args!("probe: {info}\n"));
    // Rust's own exit code for a panic.
    sys::exit(101)
}
