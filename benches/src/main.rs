//! `cargo xtask bench`: measures the ladder, what limits do, what first writes cost and a container's life; writes the
//! results and the report.

use anyhow::{Context, Result, bail};
use benches::ground::Ground;
use benches::machine::{self, Load, Machine};
use benches::results::Row;
use benches::results::{self, Results};
use benches::shares::Share;
use benches::{bars, guests, ladder, life, page, shares, table, versions, workload, writes};
use clap::Parser;
use console::failure::Failure;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Measure how long processes, namespaces, containers and virtual machines take to start, what limits
/// do, what a first write costs, and how long the steps of a container's life take.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Options {
    /// Few rounds: to see that everything works
    #[arg(long)]
    quick: bool,
    /// How often each process is started (400; with --quick 30); work is done an eighth as often
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Leave out the virtual machines
    #[arg(long)]
    without_vm: bool,
    /// Only what limits do: nothing is started to see how long that takes
    #[arg(long, group = "only")]
    limits: bool,
    /// Only what a first write through layers costs
    #[arg(long, group = "only")]
    writes: bool,
    /// Only a container's life, among 1, 100 and 1,000 others
    #[arg(long, group = "only")]
    life: bool,
    /// Measure a machine that is not idle, too; the results will say so
    #[arg(long)]
    busy_ok: bool,
    /// Keep the results as benches/results/NAME.json, to be committed
    #[arg(long, value_name = "NAME", conflicts_with_all = ["quick", "rounds", "without_vm", "only", "busy_ok", "report"])]
    save: Option<String>,
    /// Measure nothing; make the report anew from the results that there are
    #[arg(long)]
    report: bool,
    /// Where results.json and report.html go [default: bench, in the target directory]
    #[arg(long, value_name = "DIRECTORY")]
    output: Option<PathBuf>,
}

fn main() -> ExitCode {
    console::run("bench", |_| 1, |options: Options| run(&options).map(|()| 0))
}

fn run(options: &Options) -> Result<()> {
    let output = match &options.output {
        Some(output) => output.clone(),
        None => beside_the_profile()?,
    };
    let file = output.join("results.json");
    let kept = options.save.as_deref().map(kept_file).transpose()?;
    let results = if options.report {
        Results::read(&file).context(
            Failure::new("there are no results to report")
                .remedy("measure first: cargo xtask bench"),
        )?
    } else {
        let name = options.save.as_deref().unwrap_or("this machine");
        let results = measure(options, name, &output)?;
        results.write(&file)?;
        results
    };
    let report = output.join("report.html");
    let others = results::read_all(&results::kept())?;
    results::replace(&report, &page::page(&results, &others))?;
    console::print(table::show(&results))?;
    console::print(format!("{}\n{}\n", file.display(), report.display()))?;
    kept.map_or(Ok(()), |kept| keep(&results, &kept))
}

/// `target/bench`, if this is `target/release/ladder`.
fn beside_the_profile() -> Result<PathBuf> {
    let program = std::env::current_exe().context("where this program is")?;
    let target = program.ancestors().nth(2).context("this program is in a target directory")?;
    Ok(target.join("bench"))
}

fn measure(options: &Options, name: &str, output: &Path) -> Result<Results> {
    if !testkit::is_root() {
        return Err(not_root());
    }
    tell("looking whether this machine is idle");
    let mut load = Load::measure()?;
    load.refuse(options.busy_ok)?;
    fs::create_dir_all(output).with_context(|| output.display().to_string())?;
    let date = machine::date()?;
    // Before anything that might start a thread.
    let ground = Ground::prepare(&output.join("ground"))?;
    let [minidock, grouped, layered] = [1, 2, 3].map(testkit::binary);
    let machine = Machine::look(&minidock)?;
    let versions = versions::all(&minidock, &grouped, &layered);
    let rounds = options.rounds.unwrap_or(if options.quick { 30 } else { 400 }) as usize;
    let (mut rows, mut shares, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    let all = !(options.limits || options.writes || options.life);
    if all {
        rows = starts(options, &ground, rounds)?;
    }
    if all || options.limits {
        let (work, yielded) = limits(options.quick, &ground, rounds)?;
        rows.extend(work);
        shares = yielded;
    }
    if all || options.writes {
        rows.extend(first_writes(&ground, rounds)?);
    }
    if all || options.life {
        let (steps, kept) = life::measure(&ground, rounds.div_ceil(8), tell)?;
        rows.extend(steps);
        memory = kept;
    }
    tell("looking whether this machine is idle again");
    load.measure_again()?;
    Ok(Results {
        schema: results::SCHEMA,
        name: name.to_owned(),
        date,
        warning: load.warning(),
        load,
        versions,
        rounds,
        bars: bars::verdicts(&rows, &shares, &memory, &machine.cgroups),
        machine,
        rows,
        shares,
        memory,
    })
}

/// The ladder.
fn starts(options: &Options, ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    tell("preparing: each process is started once");
    let mut rows = ladder::prepare(ground)?.measure(ground, rounds, tell)?;
    rows.extend(match options.without_vm {
        true => guests::left_out("left out by --without-vm"),
        false => guests::measure(options.quick, tell),
    });
    Ok(rows)
}

/// What they cost, beside the same to plain files.
fn first_writes(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    if !workload::prepare(ground)? {
        return Ok(writes::left_out(NO_COMPILER));
    }
    tell("first writes");
    writes::measure(ground, rounds.div_ceil(8), tell)
}

/// What they cost, and what they yield.
fn limits(quick: bool, ground: &Ground, rounds: usize) -> Result<(Vec<Row>, Vec<Share>)> {
    if !workload::prepare(ground)? {
        return Ok((workload::left_out(NO_COMPILER), shares::left_out(NO_COMPILER)));
    }
    tell("work under limits");
    let rows = workload::measure(ground, rounds.div_ceil(8), tell)?;
    Ok((rows, shares::measure(ground, if quick { 1 } else { 5 }, tell)?))
}

const NO_COMPILER: &str = "cc is not installed: apt install gcc libc6-dev";

fn tell(what: &str) {
    eprintln!("bench: {what}");
}

/// Cargo is rarely on root's PATH, and need not be: everything is built.
fn not_root() -> anyhow::Error {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=".contains(letter);
    let quoted = |word: &str| match word.chars().all(plain) && !word.is_empty() {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    let program = std::env::current_exe().unwrap_or_default();
    let chapters = std::env::vars().filter(|(name, _)| name.starts_with("MINIDOCK_BIN_"));
    let chapters = chapters.map(|(name, path)| format!("{name}={}", quoted(&path)));
    let words = std::env::args().skip(1).map(|word| quoted(&word));
    let program = [quoted(&program.to_string_lossy())];
    let words: Vec<String> = chapters.chain(program).chain(words).collect();
    Failure::new("these numbers need root, as without it a user namespace is made first")
        .remedy(format!("sudo env {}", words.join(" ")))
        .into()
}

fn kept_file(name: &str) -> Result<PathBuf> {
    let plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if name.is_empty() || !name.chars().all(plain) {
        bail!("--save {name:?}: a name of small letters, digits and hyphens");
    }
    Ok(results::kept().join(name).with_extension("json"))
}

/// What others are to compare theirs with must come from an idle machine.
fn keep(results: &Results, file: &Path) -> Result<()> {
    if let Some(warning) = &results.warning {
        let remedy = "stop what runs, and measure again";
        return Err(Failure::new(format!("not kept: {warning}")).remedy(remedy).into());
    }
    fs::create_dir_all(results::kept())?;
    results.write(file)?;
    tell(&format!("kept as {}", file.display()));
    Ok(())
}
