//! Lists of processors and of memory nodes, as `0-2,5` (cpuset(7), "Formats"), and which of them
//! there are to choose from.

use crate::hierarchy;
use anyhow::{Context, Result};
use console::failure::Failure;
use std::fs;
use std::ops::RangeInclusive;

/// What can be chosen by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Processors.
    Cpus,
    /// NUMA nodes.
    Mems,
}

/// Checks a list that was asked for against those that there are.
pub(crate) fn check(kind: Kind, asked: &str) -> Result<()> {
    let (short, name) = match kind {
        Kind::Cpus => ("cpus", "CPUs"),
        Kind::Mems => ("mems", "memory nodes"),
    };
    let Some(list) = parse(asked) else {
        let failure = Failure::new(format!("Invalid value {asked} for cpuset {short}"));
        return Err(failure.remedy("write numbers and ranges, as 0-2,5").into());
    };
    let available = available(kind)?;
    let has = |number| parse(&available).into_iter().flatten().any(|range| range.contains(&number));
    if list.into_iter().flatten().all(has) {
        return Ok(());
    }
    let message =
        format!("Requested {name} are not available - requested {asked}, available: {available}");
    Err(Failure::new(message).remedy(format!("choose among {available}")).into())
}

/// How many processors there are to choose from.
pub(crate) fn cpus() -> Result<u64> {
    let ranges = parse(&available(Kind::Cpus)?).unwrap_or_default();
    Ok(ranges.into_iter().map(|range| u64::from(range.end() - range.start()) + 1).sum())
}

/// Those that our group has, which is where ours for containers come from.
fn available(kind: Kind) -> Result<String> {
    let (files, field) = match kind {
        Kind::Cpus => (["cpuset.cpus.effective", "cpuset.effective_cpus"], "Cpus_allowed_list:"),
        Kind::Mems => (["cpuset.mems.effective", "cpuset.effective_mems"], "Mems_allowed_list:"),
    };
    for hierarchy in hierarchy::used()? {
        // A group of version 2 without the controller has what the group above it has.
        let own = hierarchy.own.iter().flat_map(|own| own.ancestors());
        let groups = own.take_while(|group| group.starts_with(&hierarchy.point));
        let texts = groups.flat_map(|group| files.map(|file| fs::read_to_string(group.join(file))));
        if let Some(list) = texts.flatten().find(|list| !list.trim().is_empty()) {
            return Ok(list.trim().into());
        }
    }
    // Without the controller: what this process may use.
    let status = fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
    let list = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    Ok(list.trim().into())
}

/// The ranges of a list; none if it is not one.
fn parse(list: &str) -> Option<Vec<RangeInclusive<u32>>> {
    let number = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    let range = |item: &str| match item.split_once('-') {
        Some((first, last)) => {
            let (first, last): (u32, u32) = (number(first)?, number(last)?);
            (first <= last).then_some(first..=last)
        }
        None => number(item).map(|only| only..=only),
    };
    list.split(',').map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_numbers_and_ranges() {
        assert_eq!(parse("0-2,5"), Some(vec![0..=2, 5..=5]));
        for text in ["", ",", "1,", "2-1", "-1", "1-", "a", "0-2:1/2", "+1", "0 1", "99999999999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_there_is_can_be_chosen_and_the_next_cannot() {
        for kind in [Kind::Cpus, Kind::Mems] {
            let list = available(kind).unwrap();
            check(kind, &list).unwrap();
            let next = parse(&list).unwrap().last().unwrap().end() + 1;
            let words = check(kind, &format!("0-{next}")).unwrap_err().to_string();
            assert!(words.contains(&format!("requested 0-{next}, available: {list}")), "{words}");
        }
        assert!(cpus().unwrap() >= 1);
        check(Kind::Cpus, "0-4294967295").unwrap_err();
    }
}
