//! How long processes had to wait for what they need (accounting/psi, "pressure stall information").
//! Version 2 counts it for every group, with the controller or without; version 1 does not.

use crate::group::Group;
use kernel::cgroup::Version;
use std::fs;

/// The share of the last ten seconds in which some process of a group had to wait for `cpu`,
/// `memory` or `io`.
pub(crate) fn of(group: &Group, resource: &str) -> Option<f64> {
    let unified = group.places.first().filter(|place| place.version == Version::V2)?;
    let file = unified.directory.join(format!("{resource}.pressure"));
    average(&fs::read_to_string(file).ok()?).map(|percent| percent / 100.0)
}

/// From `some avg10=0.25 avg60=…`.
fn average(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split(' ').find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_is_that_of_some_over_ten_seconds() {
        let text = "some avg10=12.50 avg60=0.00 total=5\nfull avg10=1.00 avg60=0.00 total=1\n";
        assert_eq!(average(text), Some(12.5));
        assert_eq!(average("full avg10=1.00 avg60=0.00 total=1\n"), None);
    }
}
