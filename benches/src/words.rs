//! Names, numbers and sentences that the table and the page have in common.

use crate::bars::Verdict;
use crate::results::{Results, Row};
use crate::shares::Yield;

/// The name, with who executed a guest.
pub(crate) fn label(row: &Row) -> String {
    match row.accelerator {
        Some(_) if row.is_emulated() => format!("{} (emulated)", row.name),
        Some(accelerator) => format!("{} ({accelerator})", row.name),
        None => row.name.clone(),
    }
}

/// What a virtual machine takes in relation to a container, where both ran on the processor.
pub(crate) fn comparison(results: &Results) -> String {
    let guests = || results.rows.iter().filter(|row| row.guest_kernel.is_some());
    let ratios: Vec<String> = guests()
        .filter_map(|row| {
            let ratio = results.ratio(row)?;
            let container = row.compared_with.as_deref()?;
            Some(format!(
                "{} takes {:.1} times as long as {container} (medians; minima: {:.1}).",
                label(row),
                ratio.medians,
                ratio.minima
            ))
        })
        .collect();
    if !ratios.is_empty() {
        return ratios.join(" ");
    }
    let why = match guests().any(|row| row.is_emulated() && row.times().is_some()) {
        true => {
            "the virtual machines were emulated (tcg): every instruction of theirs was translated"
        }
        false => "no virtual machine was measured",
    };
    format!("Container and virtual machine are not compared: {why}.")
}

/// Who executed the guests, for the caption.
pub(crate) fn accelerators(results: &Results) -> String {
    let guests = results.rows.iter().filter(|row| row.guest_kernel.is_some());
    let mut found: Vec<String> = guests
        .filter(|row| row.times().is_some())
        .filter_map(|row| {
            let kernel = row.guest_kernel.as_deref()?;
            let emulated = if row.is_emulated() { ", emulated" } else { "" };
            Some(format!("{}{emulated}, Linux {kernel}", row.accelerator?))
        })
        .collect();
    found.dedup();
    match found.is_empty() {
        true => "Virtual machines: none.".into(),
        false => format!("Virtual machines: {}.", found.join("; ")),
    }
}

/// What came of a promise. What a busy machine has measured says nothing about it.
pub(crate) fn came_of(results: &Results, verdict: &Verdict) -> &'static str {
    match verdict.kept {
        Some(_) if results.warning.is_some() => "Not judged",
        Some(true) => "Kept",
        Some(false) => "Missed",
        None => "Not promised here",
    }
}

/// Processors, of thousandths.
pub(crate) fn processors(thousandths: u64) -> String {
    format!("{:.3}", thousandths as f64 / 1e3)
}

/// How many of the periods ended in waiting.
pub(crate) fn waits(shared: &Yield) -> String {
    format!("{} of {}", shared.throttled, shared.periods)
}

/// Three places, as the unit of measurement is a thousandth.
pub(crate) fn milliseconds(micros: u64) -> String {
    format!("{:.3}", micros as f64 / 1e3)
}

/// Three figures, and the unit.
pub(crate) fn short(micros: u64) -> String {
    let millis = micros as f64 / 1e3;
    let places = if millis < 10.0 { 2 } else { usize::from(millis < 100.0) };
    format!("{millis:.places$} ms")
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_figures_and_their_unit() {
        assert_eq!([553, 20_900, 949_400].map(short), ["0.55 ms", "20.9 ms", "949 ms"]);
    }
}
