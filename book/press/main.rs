//! Builds the book. Its code comes from the tree, its transcripts from running their commands, its
//! pictures from captures: what cannot be had any more, or is another today, fails the build.

mod chapter;
mod contents;
mod environment;
mod expand;
mod figure;
mod item;
mod links;
mod redact;
mod render;
mod serve;
mod tasks;
mod transcript;
mod tree;

use anyhow::{Context, Result, ensure};
use environment::{Environment, Programs};
use redact::Rules;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;
use tree::Tree;

const USAGE: &str = "cargo xtask book [OPTION]

  (none)     build the book into target/book
  --serve    build it, and show it on the loopback address
  --check    run the commands of every transcript, compare, and build (as root)
  --update   run them, and write what they print into the pages (as root)";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let tree = Tree::workspace();
    let done = match words[..] {
        [] => build(&tree),
        ["--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        ["--serve"] => build(&tree).and_then(|()| serve::serve(&tree.target().join("book"))),
        ["--check"] => check(&tree),
        ["--update"] => {
            run_all(&tree).and_then(|all| write(&tree, all)).and_then(|()| build(&tree))
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("book: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build(tree: &Tree) -> Result<()> {
    let output = render::build(tree)?;
    println!("book: {}", output.join("index.html").display());
    Ok(())
}

/// Builds first, as that is quick; then runs what the pages say was run.
fn check(tree: &Tree) -> Result<()> {
    build(tree)?;
    if fs::metadata("/proc/self")?.uid() != 0 {
        eprintln!("book: SKIPPED: the transcripts were not run, as that takes root");
        return Ok(());
    }
    let stale: Vec<String> = run_all(tree)?
        .iter()
        .filter_map(|made| {
            let difference = transcript::difference(&made.stored, &made.now)?;
            Some(format!("{}, {difference}", made.file))
        })
        .collect();
    ensure!(
        stale.is_empty(),
        "stale; if the new output is right, run `cargo xtask book --update`\n{}",
        stale.join("\n")
    );
    Ok(())
}

/// How the script of a capture begins whose numbers are measured times.
const TIMINGS: &str = "# Timings: ";

/// A text without its numbers.
fn shape(text: &str) -> String {
    text.lines()
        .map(|line| line.split(|c: char| c.is_ascii_digit()).filter(|part| !part.is_empty()))
        .map(|parts| parts.collect::<Vec<_>>().join("#") + "\n")
        .collect()
}

/// A file that is made by running commands.
struct Made {
    file: String,
    stored: String,
    now: String,
}

/// Runs the commands of all transcripts and captures, each file on a machine of its own.
fn run_all(tree: &Tree) -> Result<Vec<Made>> {
    let programs = Programs::build(tree)?;
    let mut all = Vec::new();
    for file in tree.files(render::PAGES, ".md")? {
        let stored = tree.read(&file)?;
        if transcript::any(&stored) {
            let mut environment = Environment::start(tree, &programs)?;
            let now = transcript::renew(&stored, |command| environment.run(command));
            all.push(Made { now: now.with_context(|| file.clone())?, file, stored });
        }
    }
    for script in tree.files("book/captures", ".sh")? {
        let mut environment = Environment::start(tree, &programs)?;
        let captured = environment.run(&tree.read(&script)?).with_context(|| script.clone())?;
        let file = script.replace(".sh", ".txt");
        // The first time there is none.
        let stored = tree.read(&file).unwrap_or_default();
        let mut now = Rules::of("")?.apply(&captured) + "\n";
        // Measured times are others with each run. As long as the rest is the same, the old ones stay.
        if tree.read(&script)?.starts_with(TIMINGS) && shape(&now) == shape(&stored) {
            now.clone_from(&stored);
        }
        all.push(Made { file, stored, now });
    }
    Ok(all)
}

fn write(tree: &Tree, all: Vec<Made>) -> Result<()> {
    for made in all.iter().filter(|made| made.stored != made.now) {
        fs::write(tree.path(&made.file), &made.now)
            .with_context(|| format!("cannot write {}", made.file))?;
        println!("book: {} has changed", made.file);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::shape;

    #[test]
    fn measured_times_may_differ_and_nothing_else() {
        assert_eq!(shape("0 0 0\n10440 47 1\n"), shape("0 0 0\n9 471 2\n"));
        assert_ne!(shape("0 0 0\n"), shape("0 0\n"));
        assert_ne!(shape("0 0 0\n"), shape("0 0 0\n1 1 1\n"));
        assert_ne!(shape("0 0 0\n"), shape("cannot open\n"));
    }
}
