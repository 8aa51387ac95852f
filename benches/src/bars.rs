//! What the chapters promise, and whether a measurement has kept it.

use crate::ladder::{BWRAP, FLOOR, GROUPED, GROUPED_RESTED, HUNDRED_LAYERS, LAYERED};
use crate::ladder::{LAYERED_RESTED, ONE_LAYER, OURS, OURS_RESTED, RUNC};
use crate::life::{EXEC, PS};
use crate::resident::{Memory, Resident};
use crate::results::{Ratio, Row};
use crate::rounds::Times;
use crate::shares::{HALF, Share, Yield};
use crate::words::{processors, short, waits};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// What is promised, of whom, compared with whom.
type Promise = (&'static str, &'static str, &'static str, Bar);
const PROMISES: [Promise; 8] = [
    ("minidock-01: at most 1.6 times the floor", OURS, FLOOR, Bar::AtMost(1.6)),
    (
        "minidock-01: at least 1.6 times faster than bwrap --unshare-all",
        OURS,
        BWRAP,
        Bar::Faster(1.6),
    ),
    ("minidock-01: at least 5 times faster than runc", OURS, RUNC, Bar::Faster(5.0)),
    ("minidock-02: at most 450 µs over minidock-01", GROUPED, OURS, GROUPS),
    (
        "minidock-02: at most 450 µs over minidock-01, after 100 ms of idle",
        GROUPED_RESTED,
        OURS_RESTED,
        GROUPS,
    ),
    ("minidock-03: at most 400 µs over minidock-02", LAYERED, GROUPED, Bar::Over(400, 1)),
    (
        "minidock-03: at most 400 µs over minidock-02, after 100 ms of idle",
        LAYERED_RESTED,
        GROUPED_RESTED,
        Bar::Over(400, 1),
    ),
    (
        "minidock-03: at most 10 µs for each of 99 further layers",
        HUNDRED_LAYERS,
        ONE_LAYER,
        Bar::Over(10, 99),
    ),
];

/// What takes at most so many microseconds on a machine of today.
const WITHIN: [(&str, &str, u64); 2] = [
    ("minidock-03: `ps -a` of 1,000 containers in at most 25 ms", PS, 25_000),
    ("minidock-03: `exec` in at most 1.5 ms", EXEC, 1_500),
];

/// What control groups of version 1 may cost: a directory in each of many hierarchies.
const GROUPS: Bar = Bar::OverInVersion1(450);

/// The most memory that a start may take, in KiB.
const PEAK_BELOW: u64 = 4096;

/// The most that a shim may keep in memory, in KiB.
const SHIM_BELOW: u64 = 2048;

/// What half a processor is, in thousandths.
const HALF_YIELDS: RangeInclusive<u64> = 470..=530;

enum Bar {
    /// Our time divided by the other's.
    AtMost(f64),
    /// The other's time divided by ours.
    Faster(f64),
    /// Our time less the other's, in microseconds, where control groups are of version 1. Version 2
    /// is another amount of work: it is told, without a promise.
    OverInVersion1(i64),
    /// The same wherever it is, for each of so many.
    Over(i64, i64),
}

/// A promise, what was measured of it, and whether it was kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The promise.
    pub bar: String,
    /// The numbers.
    pub measured: String,
    /// What they say, if the machine was idle; nothing is promised for such a machine, if none.
    pub kept: Option<bool>,
}

/// Kept is what the medians and the minima agree on. Of an absent peer nothing is said. `cgroups`
/// is the version that this machine has: `v1`, `v2`, `hybrid`.
pub fn verdicts(rows: &[Row], shares: &[Share], memory: &[Memory], cgroups: &str) -> Vec<Verdict> {
    let named = |name: &str| rows.iter().find(|row| row.name == name);
    let times = |name: &str| named(name).and_then(Row::times);
    let mut verdicts = Vec::new();
    for (bar, ours, other, limit) in &PROMISES {
        let (Some(ours), Some(other)) = (times(ours), times(other)) else { continue };
        let (measured, kept) = limit.judge(ours, other, cgroups);
        verdicts.push(Verdict { bar: (*bar).into(), measured, kept });
    }
    if let Some(usage) = named(OURS).and_then(|row| row.usage) {
        verdicts.push(Verdict {
            bar: "minidock-01: less than 4 MiB of memory".into(),
            measured: format!("{} KiB", usage.peak_kib),
            kept: Some(usage.peak_kib < PEAK_BELOW),
        });
    }
    for (bar, name, limit) in WITHIN {
        let Some(Times { median, min, .. }) = times(name) else { continue };
        verdicts.push(Verdict {
            bar: bar.into(),
            measured: format!("{} (median), {} (minimum)", short(*median), short(*min)),
            kept: Some(*median <= limit),
        });
    }
    verdicts
        .extend(memory.iter().filter_map(Memory::measured).max_by_key(|it| it.resident).map(shim));
    let half = shares.iter().find(|share| share.name == HALF);
    verdicts.extend(half.and_then(Share::measured).map(half_yields));
    verdicts
}

impl Bar {
    fn judge(&self, ours: &Times, other: &Times, cgroups: &str) -> (String, Option<bool>) {
        let ratio = match self {
            Bar::Faster(_) => Ratio::of(other, ours),
            _ => Ratio::of(ours, other),
        };
        let ratios = [ratio.medians, ratio.minima];
        let over = |ours: u64, other: u64| ours as i64 - other as i64;
        let over = [over(ours.median, other.median), over(ours.min, other.min)];
        let kept = match self {
            Bar::AtMost(limit) => Some(ratios.iter().all(|ratio| ratio <= limit)),
            Bar::Faster(limit) => Some(ratios.iter().all(|ratio| ratio >= limit)),
            Bar::OverInVersion1(_) if cgroups == "v2" => None,
            Bar::OverInVersion1(limit) => Some(over.iter().all(|over| over <= limit)),
            Bar::Over(limit, each) => Some(over.iter().all(|over| *over <= limit * each)),
        };
        let measured = match self {
            Bar::OverInVersion1(_) => {
                format!("{} µs (medians), {} µs (minima), cgroups {cgroups}", over[0], over[1])
            }
            Bar::Over(_, each) => {
                let each = over.map(|over| over as f64 / *each as f64);
                format!("{:.0} µs (medians), {:.0} µs (minima)", each[0], each[1])
            }
            _ => format!("{:.2} (medians), {:.2} (minima)", ratios[0], ratios[1]),
        };
        (measured, kept)
    }
}

fn shim(largest: &Resident) -> Verdict {
    Verdict {
        bar: "minidock-03: a shim of less than 2 MiB".into(),
        measured: format!(
            "{} KiB resident, of which {} KiB are of no file; {} KiB if what others have, too, is shared out",
            largest.resident, largest.anonymous, largest.proportional
        ),
        kept: Some(largest.resident < SHIM_BELOW),
    }
}

fn half_yields(shared: &Yield) -> Verdict {
    let (min, max) = (processors(shared.min), processors(shared.max));
    Verdict {
        bar: "--cpus 0.5 yields 0.47 to 0.53 of a processor".into(),
        // Where others took the processors, few periods were throttled.
        measured: format!(
            "{min} to {max} in {} windows, {} periods throttled",
            shared.count,
            waits(shared)
        ),
        kept: Some([shared.min, shared.max].iter().all(|share| HALF_YIELDS.contains(share))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::participant::Usage;
    use crate::results::{Kind, Outcome};
    use crate::sample::{measured, sample};
    use vm::machine::Accelerator;

    fn row(name: &str, median: u64, min: u64, peak_kib: u64) -> Row {
        Row {
            usage: Some(Usage { peak_kib, faults: 1 }),
            ..measured(name, Kind::Container, median, min)
        }
    }

    fn kept(verdicts: &[Verdict]) -> Vec<(&str, Option<bool>)> {
        verdicts.iter().map(|verdict| (verdict.bar.as_str(), verdict.kept)).collect()
    }

    #[test]
    fn a_promise_is_kept_only_if_medians_and_minima_agree() {
        let rows =
            [row(OURS, 3000, 2000, 4095), row(FLOOR, 2000, 1000, 1), row(BWRAP, 4800, 3200, 1)];
        let verdicts = verdicts(&rows, &[], &[], "v1");
        assert_eq!(
            kept(&verdicts),
            [
                (PROMISES[0].0, Some(false)),
                (PROMISES[1].0, Some(true)),
                ("minidock-01: less than 4 MiB of memory", Some(true))
            ]
        );
        assert!(verdicts[0].measured.contains("1.50 (medians), 2.00 (minima)"));
    }

    #[test]
    fn what_groups_cost_is_a_difference_and_promised_for_version_1_only() {
        let of = |median, min, cgroups| {
            let rows = [row(OURS, 3000, 2000, 1), row(GROUPED, median, min, 1)];
            verdicts(&rows, &[], &[], cgroups).swap_remove(0)
        };
        for (median, min, cgroups, kept) in [
            (3450, 2450, "v1", Some(true)),
            (3450, 2450, "hybrid", Some(true)),
            (3451, 2450, "hybrid", Some(false)),
            (3450, 2451, "v1", Some(false)),
            (9999, 9999, "v2", None),
        ] {
            assert_eq!(of(median, min, cgroups).kept, kept, "{median} {min} {cgroups}");
        }
        // A machine that drifts may be faster with them.
        let drifted = of(2900, 2100, "hybrid").measured;
        assert_eq!(drifted, "-100 µs (medians), 100 µs (minima), cgroups hybrid");
        let rested = [row(OURS_RESTED, 3000, 2000, 1), row(GROUPED_RESTED, 4000, 2100, 1)];
        assert_eq!(kept(&verdicts(&rested, &[], &[], "v1")), [(PROMISES[4].0, Some(false))]);
    }

    #[test]
    fn what_layers_cost_is_a_difference_on_any_machine() {
        let of = |ours, other, median, min| {
            let rows = [row(other, 3000, 2000, 1), row(ours, median, min, 1)];
            verdicts(&rows, &[], &[], "v2").swap_remove(0)
        };
        for (median, min, kept) in
            [(3400, 2400, Some(true)), (3401, 2400, Some(false)), (3400, 2401, Some(false))]
        {
            assert_eq!(of(LAYERED, GROUPED, median, min).kept, kept, "{median} {min}");
        }
        assert_eq!(of(LAYERED_RESTED, GROUPED_RESTED, 3401, 2000).kept, Some(false));
        for (median, min, kept) in
            [(3990, 2990, Some(true)), (3991, 2990, Some(false)), (3990, 2991, Some(false))]
        {
            assert_eq!(of(HUNDRED_LAYERS, ONE_LAYER, median, min).kept, kept, "{median} {min}");
        }
        let grown = of(HUNDRED_LAYERS, ONE_LAYER, 3495, 2990).measured;
        assert_eq!(grown, "5 µs (medians), 10 µs (minima)");
    }

    #[test]
    fn a_life_is_promised_by_the_clock() {
        for (bar, name, limit) in WITHIN {
            for (median, kept) in [(limit, true), (limit + 1, false)] {
                let verdict = &verdicts(&[row(name, median, 900, 1)], &[], &[], "v2")[0];
                assert_eq!((verdict.bar.as_str(), verdict.kept), (bar, Some(kept)), "{median}");
                assert!(verdict.measured.contains("(median), 0.90 ms (minimum)"), "{verdict:?}");
            }
        }
    }

    #[test]
    fn the_largest_shim_is_the_one_that_counts() {
        let of = |resident| {
            let largest = Resident { count: 1, resident, proportional: 700, anonymous: 300 };
            Memory::new("one", String::new(), Outcome::Measured(largest))
        };
        let verdict = |all: &[Memory]| verdicts(&[], &[], all, "v2").swap_remove(0);
        assert_eq!(verdict(&[of(2047), of(1000)]).kept, Some(true));
        let missed = verdict(&[of(1000), of(2048)]);
        assert_eq!(missed.kept, Some(false));
        assert!(missed.measured.starts_with("2048 KiB resident, of which 300 KiB"), "{missed:?}");
        assert_eq!(verdicts(&[], &[], &[], "v2"), []);
    }

    #[test]
    fn half_a_processor_is_half_of_one_in_every_window() {
        let mut shares = sample(Accelerator::Kvm).shares;
        let verdict = |shares: &[Share]| verdicts(&[], shares, &[], "v1");
        let found = verdict(&shares);
        assert_eq!(found[0].measured, "0.495 to 0.510 in 5 windows, 98 of 100 periods throttled");
        assert_eq!((found.len(), found[0].kept), (1, Some(true)));
        let Outcome::Measured(shared) = &mut shares[0].outcome else { panic!() };
        shared.min = 469;
        assert_eq!(verdict(&shares)[0].kept, Some(false));
        shares.remove(0);
        assert_eq!(verdict(&shares), []);
    }
}
