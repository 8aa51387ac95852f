//! How fast this processor's time-stamp counter runs. A guest whose processor is emulated reads the host's counter; its
//! kernel finds the speed by waiting for an emulated timer chip, and where the host is busy that fails, and a
//! microvm, which has no other clock, hangs. So it is told (`tsc_early_khz` in
//! Documentation/admin-guide/kernel-parameters.rst).

use std::arch::x86_64::_rdtsc;
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Long enough to be right to a thousandth of a percent.
const SAMPLE: Duration = Duration::from_millis(20);

/// Ticks in a millisecond, measured once.
pub(crate) static KHZ: LazyLock<u64> = LazyLock::new(|| {
    let (first, begin) = (ticks(), Instant::now());
    sleep(SAMPLE);
    let (last, took) = (ticks(), begin.elapsed());
    (u128::from(last - first) * 1_000_000 / took.as_nanos()) as u64
});

fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the instruction.
    unsafe { _rdtsc() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_that_of_a_processor_of_today() {
        assert!((200_000..10_000_000).contains(&*KHZ), "{} kHz", *KHZ);
    }
}
