//! Chores of the workspace. `cargo xtask ci` is everything that a change must pass; each of its steps is a chore too.

mod bench;
mod build;
mod grammar;
mod lab;
mod lines;
mod ordinary;
mod unified;
mod vm;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The other architecture that readers have: most of their laptops are Apple's, with Linux in a VM.
const OTHER_TARGET: &str = "aarch64-unknown-linux-gnu";

/// A chore: what one types, what it does, and how.
type Chore = (&'static str, &'static str, fn() -> Result<()>);

/// In the order of `ci`: what is quick to fail comes first, and cargo's own test results come last.
const CHORES: [Chore; 10] = [
    ("fmt", "the code is formatted", fmt),
    ("clippy", "clippy has nothing to say", clippy),
    ("lines", "every lesson is short enough to be read", lines::count),
    ("aarch64", "it compiles for the other architecture", aarch64),
    ("check-book", "the book shows what is in the tree and what its commands print", check_book),
    ("lab-test", "each lab's check fails without its mechanism, and alone", lab::test),
    ("test-user", "the tests pass for an ordinary user", ordinary::test),
    ("test-grammar", "earlier chapters' tests pass on later binaries", grammar::test),
    (
        "test-v2",
        "tests pass on version 2 of control groups alone, and on its older kernel",
        unified::test,
    ),
    ("test", "the tests pass for the account that runs this", test),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let passed = match words[..] {
        ["ci"] => ci(),
        ["book", ref options @ ..] => {
            let built = book(options);
            built.inspect_err(|error| eprintln!("xtask: book: {error:#}")).is_ok()
        }
        ["lab", ref words @ ..] => {
            return lab::run(words).unwrap_or_else(|error| {
                eprintln!("xtask: lab: {error:#}");
                ExitCode::from(3)
            });
        }
        ["bench", ref words @ ..] => {
            return bench::run(words).unwrap_or_else(|error| {
                eprintln!("xtask: bench: {error:#}");
                ExitCode::FAILURE
            });
        }
        ["vm", ref words @ ..] if !words.is_empty() => {
            return vm::run(words).unwrap_or_else(|error| {
                eprintln!("xtask: vm: {error:#}");
                ExitCode::from(125)
            });
        }
        [name] => match CHORES.iter().find(|chore| chore.0 == name) {
            Some(chore) => run(chore),
            None if ["--help", "-h", "help"].contains(&name) => {
                usage();
                return ExitCode::SUCCESS;
            }
            None => return usage(),
        },
        _ => return usage(),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage() -> ExitCode {
    println!("cargo xtask CHORE\n\n  {:12} all of these, in this order", "ci");
    for (name, what, _) in CHORES {
        println!("  {name:12} {what}");
    }
    println!(
        "\ncargo xtask vm [OPTIONS] -- COMMAND…  runs it in a virtual machine (--help: its options)"
    );
    println!(
        "cargo xtask lab COMMAND  tasks for learners, and their grader (--help: its commands)"
    );
    println!(
        "cargo xtask bench [OPTIONS]  how long processes, containers and virtual machines take to start, what limits do, what a first write costs, a container's life (--help)"
    );
    println!("cargo xtask book [OPTION]  builds the book (--help: its options)");
    ExitCode::from(2)
}

/// Runs every chore, also after one has failed: one round of CI shall tell all there is to mend.
fn ci() -> bool {
    let failed: Vec<&str> =
        CHORES.iter().filter(|chore| !run(chore)).map(|chore| chore.0).collect();
    if let Err(error) = clean_up() {
        eprintln!("xtask: what tests have left stays: {error:#}");
    }
    if !failed.is_empty() {
        eprintln!("xtask: failed: {}", failed.join(", "));
    }
    failed.is_empty()
}

fn run((name, what, chore): &Chore) -> bool {
    eprintln!("xtask: {name}: {what}");
    let start = Instant::now();
    let result = chore();
    let seconds = start.elapsed().as_secs_f64();
    match &result {
        Ok(()) => eprintln!("xtask: {name}: passed in {seconds:.1} s"),
        Err(error) => eprintln!("xtask: {name}: FAILED in {seconds:.1} s: {error:#}"),
    }
    result.is_ok()
}

fn fmt() -> Result<()> {
    succeed(cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    succeed(cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
}

fn aarch64() -> Result<()> {
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    // Without rustup the toolchain is a distribution's, which may bring the target; cargo says so if it does not.
    if installed.is_ok_and(|output| !String::from_utf8_lossy(&output.stdout).contains(OTHER_TARGET))
    {
        succeed(Command::new("rustup").args(["target", "add", OTHER_TARGET]))?;
    }
    let linker = "aarch64-linux-gnu-gcc";
    succeed(
        cargo()
            .args(["check", "--workspace", "--target", OTHER_TARGET])
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", linker)
            .env("CC_aarch64_unknown_linux_gnu", linker),
    )
}

fn check_book() -> Result<()> {
    book(&["--check"])
}

/// A program of its own, so that no other chore has to wait for mdBook to be compiled.
fn book(options: &[&str]) -> Result<()> {
    succeed(cargo().args(["run", "--quiet", "--package", "book", "--"]).args(options))
}

fn test() -> Result<()> {
    succeed(
        cargo().args(["test", "--workspace", "--no-fail-fast"]).env("MINIDOCK_REQUIRE_PEERS", "1"),
    )
}

/// Removes what tests have left: they kill command lines and shims, and the directory that holds all groups of ours
/// stays for the next one.
fn clean_up() -> Result<()> {
    let chapters = build::chapters()?;
    let newest = chapters.iter().max_by(|one, other| one.name.cmp(&other.name));
    clean_up_with(&newest.context("there is a chapter")?.path)
}

fn clean_up_with(binary: &Path) -> Result<()> {
    // State that nobody has: the labs of whoever runs this stay. And cargo's results are to be the last that is printed.
    let nobodys = workspace().join("target/nobody's");
    succeed(Command::new(binary).arg("clean").env("MINIDOCK_ROOT", nobodys).stdout(Stdio::null()))
}

/// The cargo that runs us, in the workspace.
fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace());
    cargo
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a directory of the workspace")
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{} ended with {status}", command.get_program().display());
    }
    Ok(())
}
