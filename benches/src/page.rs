//! The report: one HTML file that needs nothing else, with the results of this machine and beside
//! them those of others that are kept in the repository.

use crate::results::Results;
use crate::words::{accelerators, came_of, comparison, escape, label};
use crate::{page_tables, plot};

const STYLE: &str = include_str!("page.css");

/// The page. `others` are machines of other names.
pub fn page(results: &Results, others: &[Results]) -> String {
    let others: Vec<&Results> = others.iter().filter(|other| other.name != results.name).collect();
    let all: Vec<&Results> = std::iter::once(results).chain(others).collect();
    let sections: String = all.iter().enumerate().map(|(at, one)| section(one, at)).collect();
    let together = if all.len() > 1 { page_tables::side_by_side(&all) } else { String::new() };
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>minidock: the start-up ladder</title>
<style>
{STYLE}</style>
</head>
<body>
<main>
<h1>The start-up ladder</h1>
<p>How long it takes to start a process, the same process in namespaces, in a container, and in a virtual machine.
Each time begins with the exec of the command, as a user waits for it. Below it: what limits do to what runs,
what a first write costs, and how long the steps of a container's life take. Times move from machine to machine and from hour to hour;
what one run measured of one machine can be compared.</p>
{sections}{together}</main>
</body>
</html>
"#
    )
}

/// All of one machine.
fn section(results: &Results, at: usize) -> String {
    let name = escape(&results.name);
    let machine = escape(&results.machine.shown());
    let warning = results.warning.iter().map(|warning| {
        format!("<p class=\"warning\"><strong>Warning:</strong> {}.</p>\n", escape(warning))
    });
    let warning: String = warning.collect();
    let ladder = results.starts().next().map(|_| ladder(results, at)).unwrap_or_default();
    let writes = results.writes().next().map(|_| writes(results, at)).unwrap_or_default();
    let lives = results.lives().next().map(|_| lives(results, at)).unwrap_or_default();
    // The latest chapter that took part.
    let minidock = results.versions.iter().rfind(|(name, _)| name.starts_with("minidock-"));
    let minidock = minidock.map_or("minidock", |(_, version)| version);
    let (minidock, date) = (escape(minidock), escape(&results.date));
    format!(
        r#"<section aria-labelledby="machine-{at}">
<h2 id="machine-{at}">{name}</h2>
{warning}<p>{machine}. {minidock}, {date}.</p>
{ladder}{limits}{writes}{lives}{bars}{commands}{versions}</section>
"#,
        limits = page_tables::limits(results),
        bars = bars(results),
        commands = commands(results),
        versions = versions(results),
    )
}

/// The ladder: picture, sentence, table.
fn ladder(results: &Results, at: usize) -> String {
    let figure = plot::starts(results, &format!("figure-{at}"));
    let accelerators = escape(&accelerators(results));
    format!(
        r#"<figure>
{figure}<figcaption>{accelerators} {rounds} rounds. The mark is the median (circle: host,
triangle: namespaces, square: containers, diamond: virtual machines, hollow: emulated); the line goes from the fastest
start to the 95th percentile.</figcaption>
</figure>
<p>{comparison}</p>
{table}"#,
        rounds = results.rounds,
        comparison = escape(&comparison(results)),
        table = page_tables::starts(results),
    )
}

/// What first writes cost: picture and table.
fn writes(results: &Results, at: usize) -> String {
    let figure = plot::writes(results, &format!("writes-{at}"));
    let table = page_tables::writes(results);
    format!(
        "<h3>What a first write costs</h3>\n<figure>\n{figure}<figcaption>The mark is the median; the line goes from the \
         fastest to the 95th percentile.</figcaption>\n</figure>\n{table}"
    )
}

/// How long the steps of a container's life take: picture and tables.
fn lives(results: &Results, at: usize) -> String {
    let figure = plot::lives(results, &format!("lives-{at}"));
    let tables = page_tables::lives(results);
    format!(
        "<h3>A container's life</h3>\n<figure>\n{figure}<figcaption>The mark is the median; the line goes from the fastest \
         to the 95th percentile.</figcaption>\n</figure>\n{tables}"
    )
}

fn bars(results: &Results) -> String {
    let items: String = results
        .bars
        .iter()
        .map(|verdict| {
            let word = came_of(results, verdict);
            let (bar, measured) = (escape(&verdict.bar), escape(&verdict.measured));
            format!("<li><strong>{word}</strong>: {bar}: {measured}</li>\n")
        })
        .collect();
    match items.is_empty() {
        true => items,
        false => format!("<h3>What the chapters promise</h3>\n<ul>\n{items}</ul>\n"),
    }
}

fn commands(results: &Results) -> String {
    let rows = results.rows.iter().map(|row| (label(row), &row.command));
    let shares = results.shares.iter().map(|share| (share.name.clone(), &share.command));
    let shims = results.memory.iter().map(|one| (format!("shims: {}", one.name), &one.command));
    let rows: String = rows
        .chain(shares)
        .chain(shims)
        .map(|(name, command)| {
            let (name, command) = (escape(&name), escape(command));
            format!("<dt>{name}</dt><dd><code>{command}</code></dd>\n")
        })
        .collect();
    format!("<details><summary>The exact commands</summary>\n<dl>\n{rows}</dl>\n</details>\n")
}

fn versions(results: &Results) -> String {
    let items: String = results
        .versions
        .iter()
        .map(|(name, version)| format!("<dt>{}</dt><dd>{}</dd>\n", escape(name), escape(version)))
        .collect();
    format!("<details><summary>Versions</summary>\n<dl>\n{items}</dl>\n</details>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bars::Verdict;
    use crate::results::Kind;
    use crate::sample::sample;
    use vm::machine::Accelerator;

    #[test]
    fn every_rung_is_on_the_page_with_its_numbers_or_its_reason() {
        let results = sample(Accelerator::Kvm);
        let page = page(&results, &[]);
        for row in &results.rows {
            assert!(page.contains(&format!("<th scope=\"row\">{}<", escape(&label(row)))));
            assert!(page.contains(&format!("<code>{}</code>", escape(&row.command))));
        }
        assert!(page.contains("not measured: runc is &lt;not&gt; installed"), "{page}");
        assert!(
            page.contains("A &lt;CPU&gt;, 2 cores, x86_64, itself a virtual machine"),
            "{page}"
        );
        assert!(page.contains("Virtual machines: kvm, Linux 6.1.0."), "{page}");
        assert!(!page.contains("Warning") && !page.contains("Side by side"), "{page}");
    }

    #[test]
    fn only_a_machine_that_the_processor_ran_has_a_ratio() {
        let kvm = page(&sample(Accelerator::Kvm), &[]);
        let ratio = "qemu microvm (kvm) takes 40.0 times as long as minidock-01 /probe: first byte";
        assert!(kvm.contains(ratio) && kvm.contains("40.00 (60.00)"), "{kvm}");
        let tcg = page(&sample(Accelerator::Tcg), &[]);
        assert!(tcg.contains("Container and virtual machine are not compared"), "{tcg}");
        assert!(tcg.contains("Virtual machines: tcg, emulated, Linux 6.1.0."), "{tcg}");
        assert!(!tcg.contains("times as long") && !tcg.contains("40.0"), "{tcg}");
    }

    #[test]
    fn a_busy_machine_and_a_missed_promise_are_said() {
        let mut results = sample(Accelerator::Tcg);
        results.warning = Some("the machine was not idle".into());
        results.bars =
            vec![Verdict { bar: "quick".into(), measured: "slow".into(), kept: Some(false) }];
        let page = page(&results, &[]);
        assert!(page.contains("<strong>Warning:</strong> the machine was not idle."), "{page}");
        assert!(page.contains("<strong>Not judged</strong>: quick: slow"), "{page}");
        results.warning = None;
        let page = super::page(&results, &[]);
        assert!(page.contains("<strong>Missed</strong>: quick: slow"), "{page}");
    }

    #[test]
    fn what_limits_do_is_on_the_page_without_a_ladder_too() {
        let mut results = sample(Accelerator::Kvm);
        results.rows.retain(|row| row.kind == Kind::Workload);
        let page = page(&results, &[]);
        assert!(page.contains("<h3>What limits do</h3>") && !page.contains("<figure>"), "{page}");
        assert!(page.contains("1.10 (1.10)"), "{page}");
        assert!(page.contains("not measured: no &lt;controller&gt;"), "{page}");
        assert!(page.contains("<td class=\"number\">0.502</td>"), "{page}");
        assert!(page.contains("98 of 100") && page.contains("&lt;forever&gt;"), "{page}");
    }

    #[test]
    fn what_first_writes_cost_is_on_the_page_with_a_picture() {
        let mut results = sample(Accelerator::Kvm);
        results.rows.retain(|row| row.kind == Kind::Write);
        let page = page(&results, &[]);
        assert!(page.contains("<h3>What a first write costs</h3>"), "{page}");
        assert!(page.contains("First writes on a-machine, milliseconds"), "{page}");
        assert!(page.contains("3.500") && page.contains("1.40 (1.40)"), "{page}");
        results.rows.clear();
        assert!(!super::page(&results, &[]).contains("<h3>What a first write costs"));
    }

    #[test]
    fn a_life_is_on_the_page_with_a_picture_and_what_shims_keep() {
        let mut results = sample(Accelerator::Kvm);
        results.rows.retain(|row| row.kind == Kind::Life);
        let page = page(&results, &[]);
        assert!(page.contains("<h3>A container's life</h3>"), "{page}");
        assert!(page.contains("A container's life on a-machine, milliseconds"), "{page}");
        assert!(page.contains("9.000") && page.contains("1.50 (1.50)"), "{page}");
        assert!(page.contains("<td class=\"number\">1900</td>"), "{page}");
        assert!(page.contains("not measured: no &lt;pages&gt;"), "{page}");
        assert!(page.contains("start three &lt;ever&gt;"), "{page}");
        results.rows.clear();
        assert!(!super::page(&results, &[]).contains("<h3>A container's life"));
    }

    #[test]
    fn other_machines_are_shown_beside_and_none_twice() {
        let ours = sample(Accelerator::Tcg);
        let mut other = sample(Accelerator::Kvm);
        other.name = "another".into();
        let page = page(&ours, &[ours.clone(), other]);
        assert_eq!(page.matches("<h2 id=\"machine-").count(), 2);
        assert!(page.contains("<th scope=\"col\">a-machine</th><th scope=\"col\">another</th>"));
        let row = "qemu microvm (kvm)</th><td class=\"number\">–</td><td class=\"number\">100.000";
        assert!(page.contains(row), "{page}");
    }
}
