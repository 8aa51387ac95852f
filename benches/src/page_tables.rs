//! The tables of the report: what was started, what limits do, what first writes cost, a container's life, and all
//! machines side by side.

use crate::resident::Resident;
use crate::results::{Outcome, Results, Row};
use crate::words::{escape, label, milliseconds, processors, waits};
use std::fmt::Write;

/// The ladder.
pub(crate) fn starts(results: &Results) -> String {
    let caption = escape(&format!("{}: milliseconds from exec", results.name));
    times(results, results.starts(), &caption)
        + "<p class=\"note\">× is in relation to minidock-01, after idle to minidock-01 after idle; a namespace's, to the \
           same program without one; a virtual machine's, under KVM alone, to the container of the same /probe up to the \
           same moment. Processes are started in rounds, each once a round, in another order each; those that rest before, \
           in every fourth; virtual machines after them.</p>\n"
}

/// What limits yield, and what they cost.
pub(crate) fn limits(results: &Results) -> String {
    let mut text = String::new();
    if !results.shares.is_empty() {
        let caption =
            escape(&format!("{}: processors used, by the kernel's counter", results.name));
        text += &shares(results, &caption);
    }
    if results.works().next().is_some() {
        let caption = escape(&format!("{}: milliseconds of the work alone", results.name));
        text += &times(results, results.works(), &caption);
        text += "<p class=\"note\">The limits are far above what the work needs. × is in relation to the same work in a \
                 container without a limit.</p>\n";
    }
    if text.is_empty() { text } else { format!("<h3>What limits do</h3>\n{text}") }
}

/// What first writes cost.
pub(crate) fn writes(results: &Results) -> String {
    let caption = escape(&format!("{}: milliseconds of a first write", results.name));
    times(results, results.writes(), &caption)
        + "<p class=\"note\">A file is opened, one byte is appended, and it is closed; by the clock of who writes. × is \
           in relation to the plain file of the host. All files are on a tmpfs that was made for this: nothing waits \
           for a disk.</p>\n"
}

/// A container's life, and what shims keep in memory.
pub(crate) fn lives(results: &Results) -> String {
    let caption = escape(&format!("{}: milliseconds of each step", results.name));
    let note = "<p class=\"note\">Whole processes. Each store of so many containers does all steps once a round, each round \
                in another order. × is in relation to the same step with 1 container.</p>\n";
    times(results, results.lives(), &caption) + note + &memory(results)
}

fn memory(results: &Results) -> String {
    let mut lines = String::new();
    for memory in &results.memory {
        let cells = match &memory.outcome {
            Outcome::Measured(Resident { count, resident, proportional, anonymous }) => {
                let numbers = [*count as u64, *resident, *proportional, *anonymous];
                numbers.map(|number| format!("<td class=\"number\">{number}</td>")).concat()
            }
            Outcome::NotMeasured { not_measured } => {
                format!("<td colspan=\"4\">not measured: {}</td>", escape(not_measured))
            }
        };
        let name = escape(&memory.name);
        push(&mut lines, format_args!("<tr><th scope=\"row\">{name}</th>{cells}</tr>\n"));
    }
    let caption = escape(&format!("{}: KiB that the largest shim keeps in memory", results.name));
    wide(
        &caption,
        &format!(
            "<thead><tr><th scope=\"col\">containers</th><th scope=\"col\">shims</th>\
             <th scope=\"col\">resident</th><th scope=\"col\">proportional</th>\
             <th scope=\"col\">anonymous</th></tr></thead>\n<tbody>\n{lines}</tbody>"
        ),
    )
}

/// A table of times.
fn times<'a>(results: &Results, rows: impl Iterator<Item = &'a Row>, caption: &str) -> String {
    let mut lines = String::new();
    for row in rows {
        let (name, measures) = (escape(&label(row)), escape(&row.measures));
        let cells = match &row.outcome {
            Outcome::Measured(times) => {
                let ratio = results.ratio(row).map_or("–".into(), |ratio| {
                    format!("{:.2} ({:.2})", ratio.medians, ratio.minima)
                });
                let usage = row.usage.map_or("–".into(), |usage| usage.peak_kib.to_string());
                let numbers = [times.median, times.p95, times.min].map(milliseconds);
                let cells = numbers.into_iter().chain([ratio, times.count.to_string(), usage]);
                cells.map(|cell| format!("<td class=\"number\">{cell}</td>")).collect()
            }
            Outcome::NotMeasured { not_measured } => {
                format!("<td colspan=\"6\">not measured: {}</td>", escape(not_measured))
            }
        };
        push(
            &mut lines,
            format_args!(
                "<tr><th scope=\"row\">{name}<small>{measures}</small></th>{cells}</tr>\n"
            ),
        );
    }
    wide(
        caption,
        &format!(
            "<thead><tr><th scope=\"col\">what</th><th scope=\"col\">median</th>\
             <th scope=\"col\">95th percentile</th><th scope=\"col\">minimum</th>\
             <th scope=\"col\">× median (minimum)</th><th scope=\"col\">times</th>\
             <th scope=\"col\">peak KiB</th></tr></thead>\n<tbody>\n{lines}</tbody>"
        ),
    )
}

/// What limits yield, a line each.
fn shares(results: &Results, caption: &str) -> String {
    let mut lines = String::new();
    for share in &results.shares {
        let cells = match &share.outcome {
            Outcome::Measured(shared) => {
                let numbers = [share.limit, shared.median, shared.min, shared.max].map(processors);
                let count = shared.count.to_string();
                let cells = numbers.into_iter().chain([count, waits(shared)]);
                cells.map(|cell| format!("<td class=\"number\">{cell}</td>")).collect()
            }
            Outcome::NotMeasured { not_measured } => {
                format!("<td colspan=\"6\">not measured: {}</td>", escape(not_measured))
            }
        };
        let name = escape(&share.name);
        push(&mut lines, format_args!("<tr><th scope=\"row\">{name}</th>{cells}</tr>\n"));
    }
    wide(
        caption,
        &format!(
            "<thead><tr><th scope=\"col\">limit</th><th scope=\"col\">promised</th>\
             <th scope=\"col\">median</th><th scope=\"col\">minimum</th><th scope=\"col\">maximum</th>\
             <th scope=\"col\">windows</th><th scope=\"col\">throttled periods</th></tr></thead>\n\
             <tbody>\n{lines}</tbody>"
        ),
    )
}

/// The medians of all machines.
pub(crate) fn side_by_side(all: &[&Results]) -> String {
    let mut names: Vec<String> = Vec::new();
    for row in all.iter().flat_map(|results| &results.rows) {
        if !names.contains(&label(row)) {
            names.push(label(row));
        }
    }
    let heads: String =
        all.iter().map(|one| format!("<th scope=\"col\">{}</th>", escape(&one.name))).collect();
    let mut rows = String::new();
    for name in names {
        let cells: String = all
            .iter()
            .map(|results| {
                let row = results.rows.iter().find(|row| label(row) == name);
                let times = row.and_then(Row::times);
                let cell = times.map_or("–".into(), |times| milliseconds(times.median));
                format!("<td class=\"number\">{cell}</td>")
            })
            .collect();
        push(&mut rows, format_args!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", escape(&name)));
    }
    let table = format!(
        "<thead><tr><th scope=\"col\">what is started</th>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>"
    );
    format!(
        "<section aria-labelledby=\"together\">\n<h2 id=\"together\">Side by side</h2>\n{}</section>\n",
        wide("Medians in milliseconds; – is not measured there", &table)
    )
}

/// A table that scrolls by itself where it is too wide; the page does not.
fn wide(caption: &str, table: &str) -> String {
    format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n\
         <table>\n<caption>{caption}</caption>\n{table}\n</table>\n</div>\n"
    )
}

fn push(text: &mut String, arguments: std::fmt::Arguments) {
    text.write_fmt(arguments).expect("a string takes everything");
}
