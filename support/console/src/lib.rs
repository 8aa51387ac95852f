//! What every command line of minidock has in common: global options, failures and their exit
//! codes, tables and `--format`, and the relay between a terminal and a container.

pub mod failure;
pub mod format;
pub mod options;
pub mod relay;
pub mod terminal;
pub mod time;

use clap::{CommandFactory, Parser};
pub use clap_complete::Shell;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

/// Prints to standard output. A reader who has had enough (`… | head`) is no failure; a full disk
/// is one.
pub fn print(text: impl AsRef<[u8]>) -> anyhow::Result<()> {
    offer(text).map(drop)
}

/// The same; false if the reader has had enough, and more would be for nobody.
pub fn offer(text: impl AsRef<[u8]>) -> anyhow::Result<bool> {
    let mut output = std::io::stdout().lock();
    offered(output.write_all(text.as_ref()).and_then(|()| output.flush()).map_err(Into::into))
}

/// What came of writing to standard output: false if the reader has had enough.
pub fn offered(written: anyhow::Result<()>) -> anyhow::Result<bool> {
    let Err(error) = written else { return Ok(true) };
    match error.root_cause().downcast_ref::<std::io::Error>() {
        Some(cause) if cause.kind() == ErrorKind::BrokenPipe => Ok(false),
        Some(cause) if failure::is_full(cause) => {
            let failure = failure::Failure::new("standard output");
            let remedy = "free some space where it goes, or send it elsewhere";
            Err(error.context(failure.remedy(remedy)))
        }
        _ => Err(error.context("standard output")),
    }
}

/// Prints a completion script for a shell.
pub fn complete<C: CommandFactory>(program: &str, shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut C::command(), program, &mut script);
    print(script)
}

static PROGRAM: OnceLock<String> = OnceLock::new();

/// Tells the person at the command line something, as failures are told.
pub fn tell(words: &str) {
    // If standard error is closed there is nowhere to say it.
    let _told = writeln!(std::io::stderr(), "{}: {}", program(), failure::printable(words));
}

/// Does something with each of these, and prints what comes of it. One that fails keeps none of
/// the others from their turn; the exit code is 1 then.
pub fn each<T>(items: &[T], act: impl Fn(&T) -> anyhow::Result<String>) -> anyhow::Result<u8> {
    let mut code = 0;
    for item in items {
        match act(item) {
            Ok(line) => print(line + "\n")?,
            Err(error) => {
                report(&error, 1);
                code = 1;
            }
        }
    }
    Ok(code)
}

/// Prints an error as the end of a program would; returns the exit code.
pub fn report(error: &anyhow::Error, usual_code: u8) -> u8 {
    failure::report(program(), error, usual_code)
}

/// What a person would be told of an error, and the exit code.
pub fn told(error: &anyhow::Error, usual_code: u8) -> (String, u8) {
    failure::told(program(), error, usual_code)
}

/// What this program is called, in messages.
fn program() -> &'static str {
    PROGRAM.get().map_or("minidock", String::as_str)
}

/// The whole of a program: parses its command line, does what it says, and turns what went wrong
/// into a message and an exit code, which `usual_code` gives where a failure has none of its own.
pub fn run<C: Parser>(
    program: &str,
    usual_code: impl FnOnce(&C) -> u8,
    execute: impl FnOnce(C) -> anyhow::Result<u8>,
) -> ExitCode {
    PROGRAM.get_or_init(|| program.into());
    let command_line = match parse::<C>() {
        Ok(command_line) => command_line,
        Err(error) => {
            let misuse = error.use_stderr();
            // A closed standard error leaves nothing to say it on.
            let _printed = error.print();
            return if misuse { ExitCode::from(failure::OURS) } else { ExitCode::SUCCESS };
        }
    };
    let usual_code = usual_code(&command_line);
    match execute(command_line) {
        Ok(code) => ExitCode::from(code),
        Err(error) => ExitCode::from(failure::report(program, &error, usual_code)),
    }
}

/// Of an option that is given twice and has one value, the last one counts, as in Docker: an alias
/// can be overruled.
fn parse<C: Parser>() -> Result<C, clap::Error> {
    let mut found = C::command().args_override_self(true).try_get_matches()?;
    C::from_arg_matches_mut(&mut found).map_err(|error| error.format(&mut C::command()))
}
