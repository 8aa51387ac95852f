//! --cpu-shares on version 2, which has weights in their place.

/// The weight, of 1 to 10,000, for shares of 2 to 262,144. Both scales have a default, 1024 and
/// 100, besides their ends; a straight line through the ends would turn the default 1024 into 39.
/// This is the parabola, between the logarithms, through all three points, which runc uses, too.
pub fn weight(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let log = libm::log2(shares as f64);
            libm::ceil(libm::pow(10.0, (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0)) as u64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_and_the_default_are_kept_and_the_order_too() {
        assert_eq!([0, 2, 1024, 262_144].map(weight), [1, 1, 100, 10_000]);
        assert!((3..=262_144).step_by(97).all(|shares| weight(shares) >= weight(shares - 1)));
    }
}
