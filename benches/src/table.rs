//! The results on a terminal: tables, below them what they say.

use crate::ladder::OURS;
use crate::participant::Usage;
use crate::resident::Resident;
use crate::results::{Outcome, Ratio, Results, Row};
use crate::words::{came_of, comparison, label, milliseconds, processors, waits};

/// The whole of it.
pub fn show(results: &Results) -> String {
    let names = results.rows.iter().map(label).chain(results.shares.iter().map(|s| s.name.clone()));
    let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    if results.starts().next().is_some() {
        text += &times(results, results.starts(), width, "ms");
        text += &format!(
            "{} rounds, each process once a round, in another order each; after idle in every \
             fourth; virtual machines after them\n× is in relation to {OURS}, after idle to the \
             same after idle; a namespace's to the same without one\n{}\n",
            results.rounds,
            comparison(results)
        );
    }
    if results.works().next().is_some() {
        text += &times(results, results.works(), width, "work, ms");
        text += "the work alone, by its own clock; × is in relation to the same without a limit\n";
    }
    if results.writes().next().is_some() {
        text += &times(results, results.writes(), width, "first write, ms");
        text += "by the clock of who writes; × is in relation to the plain file\n";
    }
    if results.lives().next().is_some() {
        text += &times(results, results.lives(), width, "life, ms");
        text += "whole processes; × is in relation to the same with 1 container\n";
    }
    if !results.memory.is_empty() {
        text += &memory(results, width);
    }
    if !results.shares.is_empty() {
        text += &shares(results, width);
    }
    for verdict in &results.bars {
        text += &format!(
            "{:<6} {}: {}\n",
            word(came_of(results, verdict)),
            verdict.bar,
            verdict.measured
        );
    }
    if let Some(warning) = &results.warning {
        text += &format!("WARNING: {warning}\n");
    }
    text
}

/// What was missed is to be seen at a glance.
fn word(came_of: &str) -> String {
    if came_of == "Missed" { came_of.to_uppercase() } else { came_of.to_lowercase() }
}

fn times<'a>(
    results: &Results,
    rows: impl Iterator<Item = &'a Row>,
    width: usize,
    head: &str,
) -> String {
    let mut text = format!(
        "{head:<width$} {:>9} {:>9} {:>9} {:>8} {:>8} {:>9} {:>7}\n",
        "median", "p95", "minimum", "× median", "× min", "peak KiB", "faults"
    );
    for row in rows {
        let line = match &row.outcome {
            Outcome::Measured(times) => {
                let ratio = results.ratio(row);
                let ratio = |pick: fn(&Ratio) -> f64| {
                    ratio.as_ref().map_or("-".into(), |ratio| format!("{:.2}", pick(ratio)))
                };
                let usage = |pick: fn(&Usage) -> u64| {
                    row.usage.as_ref().map_or("-".into(), |usage| pick(usage).to_string())
                };
                format!(
                    "{:>9} {:>9} {:>9} {:>8} {:>8} {:>9} {:>7}",
                    milliseconds(times.median),
                    milliseconds(times.p95),
                    milliseconds(times.min),
                    ratio(|ratio| ratio.medians),
                    ratio(|ratio| ratio.minima),
                    usage(|usage| usage.peak_kib),
                    usage(|usage| usage.faults),
                )
            }
            Outcome::NotMeasured { not_measured } => format!("   not measured: {not_measured}"),
        };
        text += &format!("{:<width$} {line}\n", label(row));
    }
    text
}

fn shares(results: &Results, width: usize) -> String {
    let mut text = format!(
        "{:<width$} {:>9} {:>9} {:>9} {:>9} {:>9}\n",
        "processors", "limit", "median", "minimum", "maximum", "throttled"
    );
    for share in &results.shares {
        let line = match &share.outcome {
            Outcome::Measured(shared) => {
                let numbers = [share.limit, shared.median, shared.min, shared.max].map(processors);
                let numbers = numbers.map(|number| format!("{number:>9}")).join(" ");
                format!("{numbers} {:>9} periods", waits(shared))
            }
            Outcome::NotMeasured { not_measured } => format!("   not measured: {not_measured}"),
        };
        text += &format!("{:<width$} {line}\n", share.name);
    }
    text
}

fn memory(results: &Results, width: usize) -> String {
    let mut text = format!(
        "{:<width$} {:>9} {:>9} {:>12} {:>9}\n",
        "shims, KiB", "shims", "resident", "proportional", "anonymous"
    );
    for memory in &results.memory {
        let line = match &memory.outcome {
            Outcome::Measured(Resident { count, resident, proportional, anonymous }) => {
                format!("{count:>9} {resident:>9} {proportional:>12} {anonymous:>9}")
            }
            Outcome::NotMeasured { not_measured } => format!("   not measured: {not_measured}"),
        };
        text += &format!("{:<width$} {line}\n", memory.name);
    }
    text + "the largest of them; proportional: each page divided by how many processes have it\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bars::Verdict;
    use crate::sample::sample;
    use vm::machine::Accelerator;

    #[test]
    fn every_row_has_its_numbers_or_its_reason() {
        let mut results = sample(Accelerator::Kvm);
        results.warning = Some("the machine was not idle".into());
        let verdict = |kept| Verdict { bar: "quick".into(), measured: "slow".into(), kept };
        results.bars = vec![verdict(Some(false)), verdict(None)];
        let text = show(&results);
        for row in &results.rows {
            assert!(text.contains(&label(row)), "{}: {text}", row.name);
        }
        assert!(text.contains("not measured: runc is <not> installed"), "{text}");
        assert!(text.contains("100.000   200.000    90.000    40.00    60.00"), "{text}");
        assert!(text.contains("12.100    24.200    12.100     1.10     1.10"), "{text}");
        assert!(text.contains("not judged quick: slow\nnot promised here quick: slow\n"), "{text}");
        assert!(text.contains("3.500     7.000     3.500     1.40     1.40"), "{text}");
        assert!(text.contains("WARNING: the machine was not idle"), "{text}");
        results.warning = None;
        let text = show(&results);
        assert!(text.contains("MISSED quick: slow\nnot promised here quick: slow\n"), "{text}");
    }

    #[test]
    fn a_limit_has_what_it_yielded_or_a_reason() {
        let text = show(&sample(Accelerator::Kvm));
        let numbers = "0.500     0.502     0.495     0.510 98 of 100 periods";
        assert!(text.contains(numbers), "{text}");
        assert!(text.contains("not measured: no <controller>"), "{text}");
    }

    #[test]
    fn a_life_has_its_steps_and_what_shims_keep() {
        let text = show(&sample(Accelerator::Kvm));
        assert!(text.contains("9.000    18.000     9.000     1.50     1.50"), "{text}");
        assert!(text.contains("        3      1900         1200       400\n"), "{text}");
        assert!(text.contains("not measured: no <pages>"), "{text}");
    }

    #[test]
    fn what_was_left_out_has_no_table() {
        let mut results = sample(Accelerator::Kvm);
        results.rows.retain(|row| row.kind == crate::results::Kind::Workload);
        let text = show(&results);
        assert!(text.starts_with("work, ms") && !text.contains("rounds"), "{text}");
        results.rows.clear();
        results.memory.clear();
        assert!(show(&results).starts_with("processors"));
    }

    #[test]
    fn an_emulated_machine_is_called_so_and_has_no_ratio() {
        let text = show(&sample(Accelerator::Tcg));
        let line = text.lines().find(|line| line.starts_with("qemu microvm")).unwrap();
        assert!(line.starts_with("qemu microvm (emulated)"), "{line}");
        assert!(line.contains("90.000        -        -"), "{line}");
    }
}
