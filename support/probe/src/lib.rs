//! One small static program that is put into the `lab` root as /probe.
//!
//! It attacks, eats, forks and reports; attacks, labs, tests and benchmarks run it inside a
//! container and look at what the kernel let it do. `build.rs` compiles it from the same modules
//! that are listed here.

/// The finished executable: static, without libc, for the target's architecture.
pub static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probe"));

/// A short hash of [`PROGRAM`] in hexadecimal, to name what is made from it.
pub const ID: &str = env!("PROBE_ID");

// The library runs nothing of it: this line is for rustfmt, clippy and the unit tests.
#[expect(dead_code, reason = "only the program that build.rs compiles calls it")]
mod program;
