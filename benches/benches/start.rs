//! How long a container takes to start: `run DIR /bin/true` as a whole process, beside the least
//! that its kernel calls can take and beside what others use.
//!
//! Criterion follows each participant from one day to the next, but measures one after the other.
//! What compares them are the interleaved rounds at the end, kept in criterion's `start.json`.

use anyhow::{Context, Result};
use benches::ground::Ground;
use benches::machine::{self, Load};
use benches::participant::Participant;
use benches::report::{self, Row};
use benches::{peers, rounds};
use criterion::Criterion;
use std::path::{Path, PathBuf};
use std::time::Duration;

const GROUP: &str = "run /bin/true";

fn main() -> Result<()> {
    let has = |word: &str| std::env::args().any(|argument| argument == word);
    // As criterion tells a test from a benchmark.
    let measure = has("--bench") && !has("--test");
    if measure && !testkit::is_root() {
        println!("start: these numbers need root, as without it a user namespace is made first;");
        println!("build with `cargo bench -p benches --no-run`, then run what it names with sudo");
        return Ok(());
    }
    if !testkit::root_or_skip("without root, a user namespace is made first") {
        return Ok(());
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-start");
    let ground = Ground::prepare(&directory)?;
    let mut participants = peers::all(&ground)?;
    if has("--list") {
        follow(&mut participants);
        return Ok(());
    }
    if !measure {
        // Each has been run once, to see that it can be.
        return Ok(());
    }

    let load = Load::measure()?;
    if let Some(warning) = load.warning() {
        eprintln!("WARNING: {warning}");
    }
    follow(&mut participants);
    let count = if has("--quick") { 30 } else { 400 };
    let rows = compare(&ground, &mut participants, count)?;
    print!("\n{}", report::table(&rows, &load));
    let file = output_directory().join("start.json");
    let json = report::json(GROUP, &machine::describe()?, &load, &rows);
    std::fs::create_dir_all(output_directory())?;
    std::fs::write(&file, format!("{json:#}\n")).with_context(|| file.display().to_string())?;
    println!("{}", file.display());
    Ok(())
}

fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(40)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .nresamples(10_000)
        .output_directory(&output_directory())
        .configure_from_args()
}

/// Each participant by itself.
fn follow(participants: &mut [Participant]) {
    let mut criterion = criterion();
    let mut group = criterion.benchmark_group(GROUP);
    group.sampling_mode(criterion::SamplingMode::Flat);
    for participant in participants {
        let name = participant.name;
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let run = |_| participant.time().unwrap_or_else(|error| panic!("{error:#}"));
                (0..times).map(run).sum()
            });
        });
    }
    group.finish();
    criterion.final_summary();
}

/// All of them, interleaved.
fn compare(ground: &Ground, participants: &mut [Participant], count: usize) -> Result<Vec<Row>> {
    let usage = peers::compiled(ground, "usage.c")?;
    let times = rounds::run(participants, count)?;
    let rows = participants.iter().zip(times).map(|(participant, times)| {
        let usage = usage.as_deref().map(|usage| participant.usage(usage)).transpose()?;
        Ok(Row { name: participant.name, command: participant.shown(), times, usage })
    });
    rows.collect()
}

/// `target/criterion`, wherever the target directory is.
fn output_directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("criterion")
}
