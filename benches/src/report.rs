//! What the rounds have shown: a table to read, and the same as JSON, with everything that is
//! needed to measure it again.

use crate::machine::Load;
use crate::participant::Usage;
use crate::peers::{BWRAP, FLOOR, OURS, RUNC};
use crate::rounds::Times;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// One participant's row.
pub struct Row {
    /// What it is called.
    pub name: &'static str,
    /// The exact command.
    pub command: String,
    /// How long it took.
    pub times: Times,
    /// What it used; nothing without a C compiler.
    pub usage: Option<Usage>,
}

/// What chapter 01 promises of a start: who is compared with whom, and the factor.
const BARS: [(&str, &str, Bar); 3] = [
    ("at most 1.6 times the floor", FLOOR, Bar::AtMost(1.6)),
    ("at least 1.6 times faster than bwrap --unshare-all", BWRAP, Bar::Faster(1.6)),
    ("at least 5 times faster than runc", RUNC, Bar::Faster(5.0)),
];

/// The most memory that a start may take, in KiB.
const PEAK_BELOW: u64 = 4096;

enum Bar {
    /// Our time divided by the other's.
    AtMost(f64),
    /// The other's time divided by ours.
    Faster(f64),
}

/// A promise, what was measured of it, and whether it was kept.
struct Verdict {
    bar: &'static str,
    measured: String,
    kept: bool,
}

/// The table, and below it the promises.
pub fn table(rows: &[Row], load: &Load) -> String {
    let mut text = format!(
        "{:<18} {:>9} {:>9} {:>9} {:>8} {:>8} {:>9} {:>7}\n",
        "ms", "median", "p95", "minimum", "× median", "× min", "peak KiB", "faults"
    );
    let ours = ours(rows);
    for row in rows {
        let Times { median, p95, minimum, .. } = row.times;
        let line = format!(
            "{:<18} {:>9.3} {:>9.3} {:>9.3} {:>8.2} {:>8.2} {:>9} {:>7}\n",
            row.name,
            millis(median),
            millis(p95),
            millis(minimum),
            ratio(median, ours.times.median),
            ratio(minimum, ours.times.minimum),
            row.usage.map_or("-".into(), |usage| usage.peak_kib.to_string()),
            row.usage.map_or("-".into(), |usage| usage.faults.to_string()),
        );
        text += &line;
    }
    let _always_fits = writeln!(
        text,
        "{} rounds, each participant once a round, in another order each; × is times {OURS}'s",
        ours.times.count
    );
    for verdict in verdicts(rows) {
        let word = if verdict.kept { "kept  " } else { "MISSED" };
        let _always_fits = writeln!(text, "{word} {}: {}", verdict.bar, verdict.measured);
    }
    if let Some(warning) = load.warning() {
        let _always_fits = writeln!(text, "WARNING: {warning}");
    }
    text
}

/// The same for programs.
pub fn json(group: &str, machine: &Value, load: &Load, rows: &[Row]) -> Value {
    let ours = ours(rows);
    let participants: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.name,
                "command": row.command,
                "count": row.times.count,
                "median_us": row.times.median.as_micros() as u64,
                "p95_us": row.times.p95.as_micros() as u64,
                "minimum_us": row.times.minimum.as_micros() as u64,
                "ratio_of_medians": ratio(row.times.median, ours.times.median),
                "ratio_of_minima": ratio(row.times.minimum, ours.times.minimum),
                "peak_kib": row.usage.map(|usage| usage.peak_kib),
                "page_faults": row.usage.map(|usage| usage.faults),
            })
        })
        .collect();
    let bars: Vec<Value> = verdicts(rows)
        .into_iter()
        .map(|v| json!({ "bar": v.bar, "measured": v.measured, "kept": v.kept }))
        .collect();
    json!({
        "group": group,
        "machine": machine,
        "busy_before": load.busy,
        "load_average": load.average,
        "warning": load.warning(),
        "in_relation_to": OURS,
        "participants": participants,
        "bars": bars,
    })
}

/// Kept is what the medians and the minima agree on. Of an absent peer nothing is said.
fn verdicts(rows: &[Row]) -> Vec<Verdict> {
    let ours = ours(rows);
    let mut verdicts = Vec::new();
    for (bar, name, limit) in BARS {
        let Some(other) = rows.iter().find(|row| row.name == name) else { continue };
        let of = |pick: fn(&Times) -> Duration| match limit {
            Bar::AtMost(_) => ratio(pick(&ours.times), pick(&other.times)),
            Bar::Faster(_) => ratio(pick(&other.times), pick(&ours.times)),
        };
        let both = [of(|times| times.median), of(|times| times.minimum)];
        let kept = both.iter().all(|ratio| match limit {
            Bar::AtMost(limit) => *ratio <= limit,
            Bar::Faster(limit) => *ratio >= limit,
        });
        let measured = format!("{:.2} (medians), {:.2} (minima)", both[0], both[1]);
        verdicts.push(Verdict { bar, measured, kept });
    }
    if let Some(usage) = ours.usage {
        let measured = format!("{} KiB", usage.peak_kib);
        let kept = usage.peak_kib < PEAK_BELOW;
        verdicts.push(Verdict { bar: "less than 4 MiB of memory", measured, kept });
    }
    verdicts
}

fn ours(rows: &[Row]) -> &Row {
    rows.iter().find(|row| row.name == OURS).expect("our own binary is always there")
}

fn ratio(time: Duration, unit: Duration) -> f64 {
    time.as_nanos() as f64 / unit.as_nanos() as f64
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, median: u64, minimum: u64, peak_kib: u64) -> Row {
        let [median, minimum] = [median, minimum].map(Duration::from_micros);
        let times = Times { median, p95: median, minimum, count: 9 };
        let usage = Some(Usage { peak_kib, faults: 100 });
        Row { name, command: format!("/bin/{name} a"), times, usage }
    }

    #[test]
    fn a_promise_is_kept_only_if_medians_and_minima_agree() {
        let rows =
            [row(OURS, 3000, 2000, 4095), row(FLOOR, 2000, 1000, 1), row(BWRAP, 4800, 3200, 1)];
        let kept: Vec<(&str, bool)> =
            verdicts(&rows).iter().map(|verdict| (verdict.bar, verdict.kept)).collect();
        assert_eq!(
            kept,
            [(BARS[0].0, false), (BARS[1].0, true), ("less than 4 MiB of memory", true)]
        );
    }

    #[test]
    fn the_table_and_the_json_tell_the_same() {
        let rows = [row(OURS, 3000, 2000, 5000), row(RUNC, 30000, 12000, 9000)];
        let load = Load { busy: 0.5, average: 1.0 };
        let table = table(&rows, &load);
        assert!(table.contains("10.00     6.00      9000"), "{table}");
        assert!(table.contains("MISSED less than 4 MiB of memory: 5000 KiB"), "{table}");
        assert!(table.contains("WARNING"), "{table}");
        let json = json("g", &json!({}), &load, &rows);
        assert_eq!(json["participants"][1]["ratio_of_minima"], 6.0);
        assert_eq!(json["participants"][1]["command"], "/bin/runc a");
        assert_eq!(json["bars"][0]["kept"], true);
        assert!(json["warning"].is_string());
    }
}
