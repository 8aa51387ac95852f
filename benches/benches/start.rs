//! How long each rung of the ladder takes, followed from one day to the next. Criterion measures one
//! after the other; what compares them are the interleaved rounds of `cargo xtask bench`.

use anyhow::Result;
use benches::ground::Ground;
use benches::ladder;
use benches::participant::Participant;
use criterion::Criterion;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    // Each is run once, to see that it can be; with `cargo test` that is all.
    let mut participants = ladder::prepare(&ground)?.participants;
    if measure || has("--list") {
        follow(&mut participants);
    }
    if measure {
        println!("`cargo xtask bench` compares them, in interleaved rounds");
    }
    Ok(())
}

fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(40)
        .warm_up_time(Duration::from_millis(500))
        .nresamples(10_000)
        .output_directory(&output_directory())
        .configure_from_args()
}

/// Each participant by itself.
fn follow(participants: &mut [Participant]) {
    let mut criterion = criterion();
    let mut group = criterion.benchmark_group("start");
    group.sampling_mode(criterion::SamplingMode::Flat);
    for participant in participants {
        // The rests are in no result, but they pass: forty samples need that long.
        group.measurement_time(Duration::from_secs(if participant.rests() { 5 } else { 3 }));
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

/// `target/criterion`, wherever the target directory is.
fn output_directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("criterion")
}
