//! `eat`, `spin` and `forkbomb`: memory, processor and processes, until something stops them.
//!
//! Each is to be run under a limit only, a control group's or prlimit(1)'s: without one, `eat` and
//! `forkbomb` take the machine down with them.

use core::fmt::Write;
use core::hint::black_box;
use core::time::Duration;

use super::sys::{self, Errno};
use super::text::Output;
use super::{Failure, at};

/// The smallest page that Linux has; where pages are larger, some are touched twice.
const PAGE: usize = 4096;

/// Allocates `bytes` and touches every page: only then does the kernel charge them.
pub(crate) fn eat(bytes: usize, out: &mut Output) -> Result<(), Failure> {
    let memory = sys::map_memory(bytes).map_err(at("mmap", c""))?;
    for page in memory.chunks_mut(PAGE) {
        page[0] = 1;
        // Nobody reads the pages, and a compiler that knows it would not write them either.
        black_box(&page[0]);
    }
    Ok(writeln!(out, "ate={bytes}")?)
}

/// Keeps one processor busy, for ever or for that many seconds of wall time.
pub(crate) fn spin(seconds: Option<u64>) -> Result<(), Failure> {
    let start = sys::now();
    while seconds.is_none_or(|seconds| sys::now() - start < Duration::from_secs(seconds)) {
        // Long enough that user time, not the asking for the time, is what is spent.
        for turn in 0..100_000 {
            black_box(turn);
        }
    }
    Ok(())
}

/// Forks until the kernel says EAGAIN; prints how many processes that were.
///
/// Only the first process forks, and its children wait at a pipe that ends with it: however it
/// dies, none of them stays.
pub(crate) fn forkbomb(out: &mut Output) -> Result<(), Failure> {
    let (gate, opener) = sys::pipe().map_err(at("pipe2", c""))?;
    let mut processes: u64 = 0;
    let refusal = loop {
        match sys::fork() {
            Ok(sys::Fork::Child) => {
                drop(opener);
                sys::wait_for_end(&gate);
                sys::exit(0);
            }
            Ok(sys::Fork::Parent(_)) => processes += 1,
            Err(errno) => break errno,
        }
    };
    drop(opener);
    // Until ECHILD: whoever counts processes after this one's exit finds none of them.
    while sys::wait(-1).is_ok() {}
    writeln!(out, "processes={processes}")?;
    if refusal != Errno::EAGAIN {
        return Err(at("fork", c"")(refusal));
    }
    Ok(writeln!(out, "{refusal}")?)
}
