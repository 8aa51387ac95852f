//! What every command line of minidock has in common: global options, failures and their exit
//! codes, tables and `--format`, and the relay between a terminal and a container.

pub mod failure;
pub mod format;
pub mod options;
pub mod relay;
pub mod terminal;

use clap::Parser;
use std::process::ExitCode;

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
