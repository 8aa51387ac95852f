//! What every command line of minidock has in common: global options, failures and their exit
//! codes, tables and `--format`, and the relay between a terminal and a container.

pub mod failure;
pub mod format;
pub mod options;
pub mod relay;
pub mod terminal;

use anyhow::Context;
use clap::{CommandFactory, Parser};
pub use clap_complete::Shell;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// Prints to standard output. A reader who has had enough (`… | head`) is no failure; a full disk
/// is one.
pub fn print(text: impl AsRef<[u8]>) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_ref()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output"),
    }
}

/// Prints a completion script for a shell.
pub fn complete<C: CommandFactory>(program: &str, shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut C::command(), program, &mut script);
    print(script)
}

/// The whole of a program: parses its command line, does what it says, and turns what went wrong
/// into a message and an exit code, which `usual_code` gives where a failure has none of its own.
pub fn run<C: Parser>(
    program: &str,
    usual_code: impl FnOnce(&C) -> u8,
    execute: impl FnOnce(C) -> anyhow::Result<u8>,
) -> ExitCode {
    let command_line = match C::try_parse() {
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
